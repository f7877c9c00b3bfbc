const maxLength = 64;

/**
 * How far two short words are apart, case ignored: insertions, deletions, replacements and swaps of neighbours, one each. Words
 * over 64 characters count as far apart.
 */
export function editDistance(a: string, b: string): number {
  if (a.length > maxLength || b.length > maxLength) return Infinity;
  const [left, right] = [a.toLowerCase(), b.toLowerCase()];
  let before: number[] = [];
  let previous = Array.from({ length: right.length + 1 }, (_, i) => i);
  for (let i = 1; i <= left.length; i++) {
    const row = [i];
    for (let j = 1; j <= right.length; j++) {
      const replaced = previous[j - 1] + (left[i - 1] === right[j - 1] ? 0 : 1);
      let cost = Math.min(previous[j] + 1, row[j - 1] + 1, replaced);
      if (i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1]) cost = Math.min(cost, before[j - 2] + 1);
      row.push(cost);
    }
    [before, previous] = [previous, row];
  }
  return previous[right.length];
}

/** The candidate that `word` probably stands for, or null: the same letters in another case, or at most a third of it mistyped. */
export function nearest(word: string, candidates: Iterable<string>): string | null {
  let best: string | null = null;
  let bestDistance = Math.min(3, Math.max(1, Math.floor(word.length / 3))) + 1;
  for (const candidate of candidates) {
    if (candidate === '' || Math.abs(candidate.length - word.length) >= bestDistance) continue;
    const distance = editDistance(word, candidate);
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** `1 route`, `2 routes`. */
export function count(n: number, noun: string, plural = `${noun}s`): string {
  return `${n} ${n === 1 ? noun : plural}`;
}
