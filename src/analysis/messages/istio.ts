import type { MessageSpec } from '../messages.ts';

export const istioMessages = {
} as const satisfies Readonly<Record<string, MessageSpec>>;
