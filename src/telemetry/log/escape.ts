/** Longest value written, characters; the rest is cut off. Request heads are bounded above this only by their listener. */
export const maxValueChars = 16_384;

/** What JSON must escape, what moves a terminal's cursor (C0, DEL, C1) and everything that is not ASCII. */
const unsafe = /["\\\u0000-\u001f\u007f-\uffff]/;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * A value as it may stand in a line: ASCII without control characters, quotes or backslashes of its own, so that no
 * value can end its field or its line. The escapes are JSON's, in text lines too.
 */
export function escapeValue(value: string): string {
  if (value.length > maxValueChars) return escapeSlow(value.slice(0, maxValueChars));
  return unsafe.test(value) ? escapeSlow(value) : value;
}

function escapeSlow(value: string): string {
  const text = fromLatin1(value);
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) out += '\\"';
    else if (code === 0x5c) out += '\\\\';
    else if (code >= 0x20 && code < 0x7f) out += text[i];
    else out += `\\u${code.toString(16).padStart(4, '0')}`;
  }
  return out;
}

/** Heads are read one byte a character; where the bytes are UTF-8, the characters that the sender meant. */
function fromLatin1(value: string): string {
  let high = false;
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code > 0xff) return value;
    if (code > 0x7f) high = true;
  }
  if (!high) return value;
  try {
    return utf8.decode(Buffer.from(value, 'latin1'));
  } catch {
    return value;
  }
}
