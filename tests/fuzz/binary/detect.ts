import { defaultLimits } from '../../../src/model/listener.ts';
import { looksLike } from '../../../src/proxy/listen/detect.ts';
import { RequestHead } from '../../../src/proxy/protocol/http1/head.ts';
import { mutate } from '../mutate.ts';
import type { Random } from '../random.ts';
import { mutateBytes } from './mutate-bytes.ts';
import type { BinaryTarget, Verdict } from './target.ts';

const head = new RequestHead(defaultLimits);

function check(input: Buffer): Verdict {
  const whole = looksLike(input, 0, input.length);
  const verdict = { outcome: whole, accepted: whole !== 'need-more' && whole !== 'other' };
  let first: string = 'need-more';
  for (let end = 0; end <= input.length && first === 'need-more'; end++) first = looksLike(input, 0, end);
  if (first !== whole) return { ...verdict, finding: `${whole} in one piece, ${first} in several` };
  head.reset();
  // Whatever the decoder of HTTP/1 would serve must be led to it, or it passes as layer 4.
  if (head.parse(input, 0, input.length) > 0 && whole !== 'http1') return { ...verdict, finding: `a request that looks like ${whole}` };
  return { ...verdict, finding: '' };
}

const tokens: readonly Buffer[] = [
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'HTTP/1.1\r\n',
  '\x16\x03\x01',
  'GET / ',
  '\r\n',
  '\n',
  ' ',
  '\0',
].map((text) => Buffer.from(text, 'latin1'));

export const detectTarget: BinaryTarget = {
  name: 'detect',
  mutate: (corpus: readonly Buffer[], random: Random): Buffer =>
    random.below(2) === 0 ? mutate(corpus, random) : mutateBytes(random.pick(corpus), corpus, random, tokens),
  check,
};
