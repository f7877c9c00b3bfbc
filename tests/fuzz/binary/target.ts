import type { Random } from '../random.ts';

/** What became of one input. */
export interface Verdict {
  /** In words, for expected.json. */
  readonly outcome: string;
  /** It was read to the end and taken for good. */
  readonly accepted: boolean;
  /** What is wrong; '' when nothing is. */
  readonly finding: string;
}

/** A decoder of bytes that are not text. */
export interface BinaryTarget {
  readonly name: string;
  /** A changed copy of one of the corpus. */
  mutate(corpus: readonly Buffer[], random: Random): Buffer;
  /** Reads `input` whole and in pieces, and checks what needs nobody else. */
  check(input: Buffer, random: Random): Verdict;
  /** A reader that is not ours; '' when it agrees about an input that was accepted. */
  readonly oracle?: (input: Buffer) => Promise<string>;
  /** One accepted input in so many goes to the oracle. */
  readonly oracleEvery?: number;
}
