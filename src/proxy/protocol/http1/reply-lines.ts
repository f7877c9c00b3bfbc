import type { RenderedReply } from '../../reply.ts';
import type { Exchange } from '../exchange.ts';
import { headerLine } from './response-writer.ts';

export const continueLine = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n');

/** Header lines that a reply of our own gets beside its own: what filters and the listener's dialect add. Captures what the log wants. */
export function replyLines(x: Exchange, reply: RenderedReply): string {
  const wanted = x.worker.telemetry.needs.responseHeaders;
  for (const [name, value] of reply.headers) if (wanted.includes(name.toLowerCase())) x.capture(name.toLowerCase(), value);
  let lines = '';
  const { names, values } = x.context.responseHeaders;
  for (let i = 0; i < names.length; i++) lines += headerLine(names[i], values[i]);
  return x.at.config.kongHeaders ? lines + x.at.kongReplyHeaders(x) : lines;
}
