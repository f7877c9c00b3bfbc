import type { Headers } from '../../decide/request.ts';
import type { HeaderChanges } from './types.ts';

/** Headers that write down what is done to them. Changes go through to the headers underneath, so that filters see them. */
export class RecordingHeaders implements Headers {
  private readonly inner: Headers;
  /** Response headers are not known beforehand: there a removal counts even when nothing is there. */
  private readonly always: boolean;
  private readonly names = new Map<string, string>();
  private readonly setValues = new Map<string, string>();
  private readonly added = new Map<string, string[]>();
  private readonly removed = new Set<string>();

  constructor(inner: Headers, always = false) {
    this.inner = inner;
    this.always = always;
  }

  get(name: string): string | null {
    return this.inner.get(name);
  }

  lines(name: string): readonly string[] {
    return this.inner.lines(name);
  }

  set(name: string, value: string): void {
    const lower = this.note(name);
    this.inner.set(name, value);
    this.added.delete(lower);
    this.removed.delete(lower);
    this.setValues.set(lower, value);
  }

  add(name: string, value: string): void {
    const lower = this.note(name);
    this.inner.add(name, value);
    this.added.set(lower, [...(this.added.get(lower) ?? []), value]);
  }

  remove(name: string): void {
    const lower = name.toLowerCase();
    const there = this.always || this.inner.lines(lower).length > 0;
    this.inner.remove(name);
    this.setValues.delete(lower);
    this.added.delete(lower);
    if (there) this.removed.add(lower);
  }

  changes(): HeaderChanges {
    const shown = (lower: string): string => this.names.get(lower) ?? lower;
    return {
      set: Object.fromEntries([...this.setValues].map(([name, value]) => [shown(name), value])),
      add: Object.fromEntries([...this.added].map(([name, values]) => [shown(name), values.length === 1 ? (values[0] ?? '') : values])),
      remove: [...this.removed],
    };
  }

  get isEmpty(): boolean {
    return this.setValues.size + this.added.size + this.removed.size === 0;
  }

  private note(name: string): string {
    const lower = name.toLowerCase();
    this.names.set(lower, name);
    return lower;
  }
}

export const noChanges: HeaderChanges = { set: {}, add: {}, remove: [] };

/** Both, the second on top: what it sets or removes undoes what the first did to that header. */
export function mergeChanges(first: HeaderChanges, second: HeaderChanges): HeaderChanges {
  if (second === noChanges) return first;
  const named = (names: readonly string[]): ReadonlySet<string> => new Set(names.map((name) => name.toLowerCase()));
  const setLater = named(Object.keys(second.set));
  const later = new Set([...setLater, ...named(second.remove)]);
  const add = Object.fromEntries(Object.entries(first.add).filter(([name]) => !later.has(name.toLowerCase())));
  for (const [name, values] of Object.entries(second.add)) {
    const known = Object.keys(add).find((one) => one.toLowerCase() === name.toLowerCase()) ?? name;
    add[known] = add[known] === undefined ? values : [add[known], values].flat();
  }
  return {
    set: { ...Object.fromEntries(Object.entries(first.set).filter(([name]) => !later.has(name.toLowerCase()))), ...second.set },
    add,
    remove: [...new Set([...first.remove.filter((name) => !setLater.has(name)), ...second.remove])],
  };
}
