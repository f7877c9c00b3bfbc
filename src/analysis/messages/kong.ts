import type { MessageSpec } from '../messages.ts';

export const kongMessages = {
} as const satisfies Readonly<Record<string, MessageSpec>>;
