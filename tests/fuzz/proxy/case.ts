import { z } from 'zod';
import { mutate } from '../mutate.ts';
import type { Random } from '../random.ts';

/** Stands in an answer for the id of the request that it answers; as long as one. */
export const ID = 'IDENTITY-OF-THE-REQUEST-36-CHARACTER';

const answerSchema = z.strictObject({
  /** Bytes, one character each, as they are written. */
  pieces: z.array(z.string()),
  /** What the backend does with the connection behind them. */
  then: z.enum(['keep', 'end', 'reset']),
  /** Answers at the head already, without the body. */
  early: z.boolean(),
});

/** One execution: what the client sends, and how the backend answers the requests that reach it, in this order and over again. */
export const proxyCaseSchema = z.strictObject({
  pieces: z.array(z.string()),
  answers: z.array(answerSchema).min(1),
  /** The client closes its side behind its last byte. */
  clientEnds: z.boolean(),
  /** Bytes that both sockets queue before they ask for a pause; 0: both peers read at once. */
  slow: z.int(),
  /** Which listener: edge defaults, or everything allowed. */
  listener: z.enum(['edge', 'open']),
  /** The client's bytes come in the worker's read buffer, as a plain socket's do; else by events, as with TLS. */
  shared: z.boolean().default(false),
  /** Small writes go past the stream. */
  direct: z.boolean().default(false),
});

export type Answer = z.infer<typeof answerSchema>;
export type ProxyCase = z.infer<typeof proxyCaseSchema>;

const body = `<${ID}>`;

const plainAnswers: readonly string[] = [
  `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
  `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-id\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\nX-Id: ${ID}\r\n\r\n`,
  `HTTP/1.1 200 OK\r\n\r\n${body}`,
  `HTTP/1.1 404 Not Found\r\nX-Id: ${ID}\r\nContent-Length: 0\r\n\r\n`,
  `HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 201 Created\r\nX-Id: ${ID}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  `HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n${body}`,
];

/** What the cases are made of. */
export interface Material {
  readonly requests: readonly Buffer[];
  /** Requests that are accepted: they reach further. */
  readonly lively: readonly Buffer[];
  readonly responses: readonly Buffer[];
}

export function makeCase(material: Material, random: Random): ProxyCase {
  const wires = Array.from({ length: 1 + random.below(4) }, () => requestBytes(material, random));
  return {
    pieces: random.below(2) === 0 ? split(wires.join(''), random) : wires.flatMap((wire) => split(wire, random)),
    answers: Array.from({ length: 1 + random.below(4) }, () => makeAnswer(material, random)),
    clientEnds: random.below(3) === 0,
    slow: random.below(3) === 0 ? random.pick([1, 64, 700, 4096]) : 0,
    listener: random.below(3) === 0 ? 'open' : 'edge',
    shared: random.below(4) !== 0,
    direct: random.below(4) !== 0,
  };
}

function requestBytes({ requests, lively }: Material, random: Random): string {
  const bytes = random.below(3) === 0 ? random.pick(lively) : mutate(random.below(5) === 0 ? requests : lively, random);
  let text = bytes.toString('latin1');
  // More than is kept in the small buffers that are used again.
  if (random.below(12) === 0) text = text.replace('\r\n', `\r\nX-Long: ${'y'.repeat(5000)}\r\n`);
  return random.below(8) === 0 ? text.replace('HTTP/1.1', 'HTTP/1.0') : text;
}

function makeAnswer({ responses }: Material, random: Random): Answer {
  let text = random.pick(plainAnswers);
  if (random.below(2) === 0) {
    const bytes = random.below(3) === 0 ? random.pick(responses) : mutate(responses, random);
    text = bytes.toString('latin1');
  } else if (random.below(3) === 0) text = mutate([Buffer.from(text, 'latin1')], random).toString('latin1');
  if (random.below(12) === 0) text += text;
  if (random.below(60) === 0) text = `HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n${ID.repeat(1892)}`.slice(0, 42 + 70_000);
  return {
    pieces: split(text, random),
    then: random.below(2) === 0 ? 'keep' : random.below(3) === 0 ? 'reset' : 'end',
    early: random.below(5) === 0,
  };
}

function split(text: string, random: Random): string[] {
  const parts = random.below(2) === 0 ? 1 : 1 + random.below(6);
  const ends = Array.from({ length: parts - 1 }, () => random.below(text.length + 1)).toSorted((a, b) => a - b);
  const pieces: string[] = [];
  let from = 0;
  for (const end of [...ends, text.length]) {
    if (end > from) pieces.push(text.slice(from, end));
    from = end;
  }
  return pieces;
}
