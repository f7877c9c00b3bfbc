import type { MessageSpec } from '../messages.ts';

export const analysisMessages = {
} as const satisfies Readonly<Record<string, MessageSpec>>;
