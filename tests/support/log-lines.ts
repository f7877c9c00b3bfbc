import { giveBack } from '../../src/telemetry/log/slots.ts';

/** The text of a batch that a worker sent, whose buffer is free again afterwards. */
export function readLines(lines: Uint8Array): string {
  const text = Buffer.from(lines).toString('utf8');
  giveBack(lines);
  return text;
}
