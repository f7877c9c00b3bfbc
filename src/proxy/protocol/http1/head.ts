/** Heads of HTTP/1.1 messages: what connections use. */
export type { BodyKind, HeadLimits } from './message-head.ts';
export { RequestHead } from './request-head.ts';
export { ResponseHead } from './response-head.ts';
