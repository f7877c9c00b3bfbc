/** What HTTP/1.1 messages made for tests are, read as strictly as a client must. */

export interface Message {
  /** Status of the last head that came whole, or 0. */
  readonly status: number;
  /** Its framing says that nothing is missing. */
  readonly whole: boolean;
  /** Unframed, as far as it came; of a switched protocol: everything after the head. */
  readonly body: string;
  /** Bytes of the message, as far as it came. */
  readonly bytes: number;
}

const crlf2 = '\r\n\r\n';
const nothing: Message = { status: 0, whole: false, body: '', bytes: 0 };

/** A response, interim ones before it left out. One that only the end of the connection ends is never whole. */
export function readResponse(text: string): Message {
  let from = 0;
  for (;;) {
    const end = text.indexOf(crlf2, from);
    if (end < 0) return { ...nothing, bytes: text.length };
    const status = Number(/^HTTP\/1\.1 (\d\d\d) /.exec(text.slice(from, end))?.[1]);
    const bodyAt = end + 4;
    if (status === 101) return { status, whole: false, body: text.slice(bodyAt), bytes: text.length };
    if (status >= 200) return { ...readBody(text, text.slice(from, end), bodyAt, false), status };
    from = bodyAt;
  }
}

/** Where the last head of a whole response ends. */
export function finalHeadEnd(response: string): number {
  return response.indexOf(crlf2, response.lastIndexOf('HTTP/1.1 ')) + 4;
}

/** A request. Null: its head is not whole. */
export function readRequest(text: string): (Message & { readonly path: string }) | null {
  const end = text.indexOf(crlf2);
  if (end < 0) return null;
  const head = text.slice(0, end);
  return { ...readBody(text, head, end + 4, true), status: 0, path: head.split(' ')[1] ?? '' };
}

function readBody(text: string, head: string, at: number, isRequest: boolean): Omit<Message, 'status'> {
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) return readChunks(text, at);
  const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? (isRequest ? 0 : Infinity));
  const body = text.slice(at, at + length);
  return { body, whole: body.length === length, bytes: at + body.length };
}

function readChunks(text: string, start: number): Omit<Message, 'status'> {
  let body = '';
  for (let at = start; ;) {
    const size = /^([0-9a-f]+)\r\n/i.exec(text.slice(at));
    if (size === null) return { body, whole: false, bytes: text.length };
    const length = Number.parseInt(size[1], 16);
    at += size[0].length;
    if (length === 0) {
      const trailers = /^(?:[^\r\n]+\r\n)*\r\n/.exec(text.slice(at));
      return { body, whole: trailers !== null, bytes: trailers === null ? text.length : at + trailers[0].length };
    }
    body += text.slice(at, at + length);
    if (text.slice(at + length, at + length + 2) !== '\r\n') return { body, whole: false, bytes: text.length };
    at += length + 2;
  }
}
