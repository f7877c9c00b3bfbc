import type { MessageSpec } from '../messages.ts';

export const runtimeMessages = {
} as const satisfies Readonly<Record<string, MessageSpec>>;
