import type { Headers } from '../../decide/request.ts';

type Entry = readonly [name: string, value: string];

/** Headers of a response that Weir makes itself. */
export class ListHeaders implements Headers {
  entries: readonly Entry[];

  constructor(entries: readonly Entry[]) {
    this.entries = entries;
  }

  get(name: string): string | null {
    const lines = this.lines(name);
    return lines.length === 0 ? null : lines.join(', ');
  }

  lines(name: string): readonly string[] {
    return this.entries.filter(([other]) => other.toLowerCase() === name).map(([, value]) => value);
  }

  set(name: string, value: string): void {
    this.remove(name);
    this.add(name, value);
  }

  add(name: string, value: string): void {
    this.entries = [...this.entries, [name, value]];
  }

  remove(name: string): void {
    const lower = name.toLowerCase();
    this.entries = this.entries.filter(([other]) => other.toLowerCase() !== lower);
  }
}
