import type { MessageSpec } from '../messages.ts';

export const weirMessages = {
} as const satisfies Readonly<Record<string, MessageSpec>>;
