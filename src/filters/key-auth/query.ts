/**
 * Finds a parameter of a query string (without `?`), names and values percent-decoded with `+` as a space
 * (application/x-www-form-urlencoded). Null: not there.
 */
export function findInQuery(query: string, name: string): { readonly value: string } | 'several' | null {
  let found: { readonly value: string } | null = null;
  let at = 0;
  while (at < query.length) {
    const ampersand = query.indexOf('&', at);
    const end = ampersand < 0 ? query.length : ampersand;
    const equals = query.indexOf('=', at);
    const nameEnd = equals < 0 || equals > end ? end : equals;
    if (nameEnd > at && decode(query.slice(at, nameEnd)) === name) {
      if (found !== null) return 'several';
      found = { value: nameEnd === end ? '' : decode(query.slice(nameEnd + 1, end)) };
    }
    at = end + 1;
  }
  return found;
}

/**
 * Bytes as Latin-1, like header values, so that one key has one form wherever it stands. A broken escape stays as it
 * is: it can then equal nothing that was meant.
 */
function decode(text: string): string {
  if (!text.includes('%') && !text.includes('+')) return text;
  return text.replaceAll('+', ' ').replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}
