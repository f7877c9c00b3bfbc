import { isIPv4, isIPv6 } from 'node:net';

/** An IP literal as its 4 or 16 bytes; null when it is none. A zone (`%eth0`) is not part of an address. */
export function ipBytes(text: string): Buffer | null {
  if (isIPv4(text)) return Buffer.from(text.split('.').map(Number));
  if (!isIPv6(text) || text.includes('%')) return null;
  const out = Buffer.alloc(16);
  const gap = text.indexOf('::');
  if (gap < 0) groups(text, out, 0);
  else {
    groups(text.slice(0, gap), out, 0);
    const behind = text.slice(gap + 2);
    groups(behind, out, 16 - groupBytes(behind));
  }
  return out;
}

function groupBytes(text: string): number {
  return text === '' ? 0 : text.split(':').length * 2 + (text.includes('.') ? 2 : 0);
}

function groups(text: string, out: Buffer, at: number): void {
  if (text === '') return;
  let pos = at;
  for (const group of text.split(':')) {
    if (group.includes('.')) {
      for (const part of group.split('.')) out[pos++] = Number(part);
    } else pos = out.writeUInt16BE(Number.parseInt(group, 16), pos);
  }
}

/** 4 or 16 bytes at `at` as text: dotted, or RFC 5952. IPv4-mapped addresses as IPv4, as everywhere in Weir. */
export function ipText(bytes: Buffer, at: number, length: 4 | 16): string {
  if (length === 4) return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
  if (isMapped(bytes, at)) return ipText(bytes, at + 12, 4);
  let gap = -1;
  let gapLength = 1;
  for (let i = 0, run = 0; i < 8; i++) {
    run = bytes.readUInt16BE(at + 2 * i) === 0 ? run + 1 : 0;
    if (run > gapLength) {
      gapLength = run;
      gap = i - run + 1;
    }
  }
  let text = '';
  for (let i = 0; i < 8; i++) {
    if (i === gap) {
      text += '::';
      i += gapLength - 1;
      continue;
    }
    if (i !== 0 && i !== gap + gapLength) text += ':';
    text += bytes.readUInt16BE(at + 2 * i).toString(16);
  }
  return text;
}

function isMapped(bytes: Buffer, at: number): boolean {
  for (let i = 0; i < 10; i++) if (bytes[at + i] !== 0) return false;
  return bytes[at + 10] === 0xff && bytes[at + 11] === 0xff;
}
