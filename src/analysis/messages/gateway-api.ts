import type { MessageSpec } from '../messages.ts';

export const gatewayApiMessages = {
} as const satisfies Readonly<Record<string, MessageSpec>>;
