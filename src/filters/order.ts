/** What decides the place of a filter in the chain. */
export interface Place {
  readonly name: string;
  /** Higher runs earlier. */
  readonly rank: number;
  /** Names that this one must precede, whatever the ranks. */
  readonly before?: readonly string[] | undefined;
  /** Names that must precede this one. */
  readonly after?: readonly string[] | undefined;
}

/**
 * Sorts by rank, highest first, and moves only what `before` and `after` force to move. Stable. Where the constraints
 * contradict one another the rank decides; `orderProblem` has refused such a list long before.
 */
export function sortByRank<Item>(items: readonly Item[], placeOf: (item: Item) => Place): readonly Item[] {
  const ranked = items.map((item) => ({ item, place: placeOf(item) })).toSorted((a, b) => b.place.rank - a.place.rank);
  if (ranked.every(({ place }) => isFree(place))) return ranked.map(({ item }) => item);
  const waiting = [...ranked];
  const sorted: Item[] = [];
  while (waiting.length > 0) {
    const ready = waiting.findIndex(({ place }) => !waiting.some((other) => precedes(other.place, place)));
    const [next] = waiting.splice(Math.max(ready, 0), 1);
    if (next !== undefined) sorted.push(next.item);
  }
  return sorted;
}

/** Null when the list can be ordered; else a sentence that names the cycle or the doubled name. */
export function orderProblem(places: readonly Place[]): string | null {
  const names = new Set<string>();
  for (const place of places) {
    if (names.has(place.name)) return `two filters are called '${place.name}'`;
    names.add(place.name);
  }
  const waiting = [...places];
  while (waiting.length > 0) {
    const ready = waiting.findIndex((place) => !waiting.some((other) => precedes(other, place)));
    if (ready < 0) return `the order of these filters is a cycle of before and after: ${waiting.map((place) => place.name).join(', ')}`;
    waiting.splice(ready, 1);
  }
  return null;
}

function isFree(place: Place): boolean {
  return (place.before?.length ?? 0) === 0 && (place.after?.length ?? 0) === 0;
}

/** Instances of one filter do not wait for one another; a filter that names itself is a cycle. */
function precedes(first: Place, second: Place): boolean {
  const said = first.before?.includes(second.name) === true || second.after?.includes(first.name) === true;
  return said && (first.name !== second.name || first === second);
}
