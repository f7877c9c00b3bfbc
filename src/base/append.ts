/** Adds many items. A spread into `push` would overflow the stack beyond about a hundred thousand. */
export function append<T>(target: T[], items: Iterable<T>): void {
  for (const item of items) target.push(item);
}
