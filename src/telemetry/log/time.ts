/** Times for log lines, UTC. */
import { err, ok, type Result } from '../../base/result.ts';

const two: readonly string[] = Array.from({ length: 100 }, (_, i) => String(i).padStart(2, '0'));
const three: readonly string[] = Array.from({ length: 1000 }, (_, i) => String(i).padStart(3, '0'));

let secondOf = Number.NaN;
let secondText = '';
let msOf = Number.NaN;
let msText = '';

/** `2026-11-20T12:00:00.123Z`. One calendar computation per second and one string per millisecond, not per line. */
export function isoTime(ms: number): string {
  if (ms === msOf) return msText;
  const second = Math.floor(ms / 1000);
  if (second !== secondOf) {
    secondOf = second;
    secondText = new Date(second * 1000).toISOString().slice(0, 20);
  }
  msOf = ms;
  return (msText = `${secondText}${three[Math.floor(ms) - second * 1000]}Z`);
}

const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'] as const;
const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
] as const;

type TimePart = (date: Date, ms: number) => string;

function dayOfYear(date: Date): number {
  return Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000) + 1;
}

/** A fraction of a second to `digits` places; the clock gives milliseconds, further places are 0. */
function fraction(ms: number, digits: number): string {
  return three[((Math.floor(ms) % 1000) + 1000) % 1000].padEnd(9, '0').slice(0, digits);
}

const parts: Readonly<Record<string, TimePart>> = {
  Y: (d) => String(d.getUTCFullYear()),
  C: (d) => two[Math.floor(d.getUTCFullYear() / 100) % 100],
  y: (d) => two[d.getUTCFullYear() % 100],
  m: (d) => two[d.getUTCMonth() + 1],
  b: (d) => months[d.getUTCMonth()].slice(0, 3),
  h: (d) => months[d.getUTCMonth()].slice(0, 3),
  B: (d) => months[d.getUTCMonth()],
  d: (d) => two[d.getUTCDate()],
  e: (d) => String(d.getUTCDate()).padStart(2),
  j: (d) => String(dayOfYear(d)).padStart(3, '0'),
  a: (d) => days[d.getUTCDay()].slice(0, 3),
  A: (d) => days[d.getUTCDay()],
  u: (d) => String(d.getUTCDay() === 0 ? 7 : d.getUTCDay()),
  w: (d) => String(d.getUTCDay()),
  H: (d) => two[d.getUTCHours()],
  I: (d) => two[d.getUTCHours() % 12 === 0 ? 12 : d.getUTCHours() % 12],
  M: (d) => two[d.getUTCMinutes()],
  S: (d) => two[d.getUTCSeconds()],
  p: (d) => (d.getUTCHours() < 12 ? 'AM' : 'PM'),
  s: (_, ms) => String(Math.floor(ms / 1000)),
  f: (_, ms) => fraction(ms, 9),
  F: (d) => d.toISOString().slice(0, 10),
  T: (d) => d.toISOString().slice(11, 19),
  R: (d) => d.toISOString().slice(11, 16),
  D: (d) => `${two[d.getUTCMonth() + 1]}/${two[d.getUTCDate()]}/${two[d.getUTCFullYear() % 100]}`,
  Z: () => 'UTC',
  z: () => '+0000',
  '%': () => '%',
};

/**
 * Compiles a strftime format with Envoy's `%1f` … `%9f` (fraction of a second, that many digits) and `%E3S`, `%E3f`.
 * Times are UTC. The error names the specifier.
 */
export function timeFormat(format: string): Result<(ms: number) => string, string> {
  const compiled: TimePart[] = [];
  const specifier = /%(?:(\d)f|E([1-9*])([Sf])|(.?))/gs;
  let end = 0;
  for (const match of format.matchAll(specifier)) {
    pushText(compiled, format.slice(end, match.index));
    end = match.index + match[0].length;
    const [, digits, extended, extendedUnit, letter] = match;
    const places = Number(digits ?? (extended === '*' ? 3 : extended));
    if (letter === undefined) {
      if (places < 1) return err('%0f has no digits');
      if (extendedUnit === 'S') compiled.push((d, ms) => `${two[d.getUTCSeconds()]}.${fraction(ms, places)}`);
      else compiled.push((_, ms) => fraction(ms, places));
      continue;
    }
    const part = Object.hasOwn(parts, letter) ? parts[letter] : undefined;
    if (part === undefined)
      return err(letter === '' ? 'a time format cannot end in %' : `%${letter} is not a time specifier that Weir knows`);
    compiled.push(part);
  }
  pushText(compiled, format.slice(end));
  return ok((ms) => {
    const date = new Date(ms);
    let text = '';
    for (const part of compiled) text += part(date, ms);
    return text;
  });
}

function pushText(compiled: TimePart[], text: string): void {
  if (text !== '') compiled.push(() => text);
}
