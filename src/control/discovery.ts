import { lookup } from 'node:dns/promises';
import { diagnose } from '../analysis/messages.ts';
import type { Endpoint } from '../model/cluster.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { ResolvedEndpoints, SnapshotSummary } from '../model/events.ts';

type DnsCluster = SnapshotSummary['dns'][number];

/** All addresses of a name. Rejects when there are none. */
export type Lookup = (host: string) => Promise<readonly string[]>;

export interface DiscoveryOptions {
  readonly lookup?: Lookup;
  /** A name that resolves is asked again after this, ms. */
  readonly refreshMs?: number;
  /** A name that fails is asked again after this, doubling up to `refreshMs`. */
  readonly retryMs?: number;
  readonly onChange: (changed: readonly ResolvedEndpoints[]) => void;
}

interface Name {
  addresses: readonly string[];
  failure: string | null;
  retryMs: number;
  dueAt: number;
  asking: boolean;
}

/** Look-ups under way at once: each takes a thread of the pool. */
const maxConcurrent = 4;
const tickMs = 1000;
/** Addresses of one name that are used. */
const maxAddresses = 256;

/**
 * Resolves the names of `dns` clusters outside the data path. A failure keeps the last addresses; endpoints travel
 * their own way and no route waits for them.
 */
export class Discovery {
  readonly #lookup: Lookup;
  readonly #refreshMs: number;
  readonly #retryMs: number;
  readonly #onChange: (changed: readonly ResolvedEndpoints[]) => void;
  readonly #names = new Map<string, Name>();
  #clusters: readonly DnsCluster[] = [];
  readonly #last = new Map<string, string>();
  #running = 0;
  readonly #queue: (() => void)[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(options: DiscoveryOptions) {
    this.#lookup = options.lookup ?? lookupAll;
    this.#refreshMs = options.refreshMs ?? 30_000;
    this.#retryMs = options.retryMs ?? 5000;
    this.#onChange = options.onChange;
    this.#timer = setInterval(() => this.#tick(), Math.min(tickMs, this.#retryMs));
    this.#timer.unref();
  }

  /** The clusters of a new snapshot. Waits at most `waitMs` for names that are new, then gives what is known. */
  async update(clusters: readonly DnsCluster[], waitMs = 2000): Promise<readonly ResolvedEndpoints[]> {
    this.#clusters = clusters;
    const wanted = new Set(clusters.flatMap(({ names }) => names.map(({ host }) => host)));
    for (const host of this.#names.keys()) if (!wanted.has(host)) this.#names.delete(host);
    const fresh = [...wanted].filter((host) => !this.#names.has(host));
    const asked = fresh.map((host) => {
      const name: Name = { addresses: [], failure: 'not resolved yet', retryMs: this.#retryMs, dueAt: 0, asking: false };
      this.#names.set(host, name);
      return this.#ask(host, name);
    });
    if (asked.length > 0) await Promise.race([Promise.all(asked), timeout(waitMs)]);
    this.#last.clear();
    return this.#changed();
  }

  /** WR0704 for each name without an address. */
  get diagnostics(): readonly Diagnostic[] {
    const found: Diagnostic[] = [];
    for (const [host, { addresses, failure }] of this.#names) {
      if (failure === null) continue;
      const serving = addresses.length > 0 ? 'the last known addresses serve' : 'requests to it are answered 503';
      found.push(
        diagnose('WR0704', { file: '', line: 0, column: 0 }, null, `${host} does not resolve (${failure}); ${serving}`, {
          hint: 'Declare the host with endpoints (ServiceEntry, Service with EndpointSlice, Kong upstream), or make the name known to DNS or /etc/hosts.',
        }),
      );
    }
    return found;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const now = Date.now();
    for (const [host, name] of this.#names) if (!name.asking && name.dueAt <= now) void this.#refresh(host, name);
  }

  async #refresh(host: string, name: Name): Promise<void> {
    await this.#ask(host, name);
    const changed = this.#changed();
    if (changed.length > 0) this.#onChange(changed);
  }

  async #ask(host: string, name: Name): Promise<void> {
    name.asking = true;
    if (this.#running >= maxConcurrent) await new Promise<void>((resolve) => this.#queue.push(resolve));
    this.#running++;
    try {
      const addresses = await this.#lookup(host);
      if (addresses.length === 0) throw new Error('no addresses');
      // Sorted: resolvers rotate their answers, which is no change.
      name.addresses = [...new Set(addresses)].sort().slice(0, maxAddresses);
      name.failure = null;
      name.retryMs = this.#retryMs;
      name.dueAt = Date.now() + this.#refreshMs;
    } catch (error) {
      name.failure = error instanceof Error && 'code' in error ? String(error.code) : String(error);
      name.dueAt = Date.now() + name.retryMs;
      name.retryMs = Math.min(this.#refreshMs, name.retryMs * 2);
    }
    name.asking = false;
    this.#running--;
    this.#queue.shift()?.();
  }

  /** Clusters whose endpoints differ from what was told last. */
  #changed(): readonly ResolvedEndpoints[] {
    const changed: ResolvedEndpoints[] = [];
    for (const cluster of this.#clusters) {
      const resolved = this.#resolve(cluster);
      const text = JSON.stringify(resolved);
      if (this.#last.get(cluster.cluster) === text) continue;
      this.#last.set(cluster.cluster, text);
      changed.push(resolved);
    }
    return changed;
  }

  #resolve({ cluster, names }: DnsCluster): ResolvedEndpoints {
    const endpoints: Endpoint[] = [];
    let failure: string | null = null;
    for (const { host, port, weight } of names) {
      const known = this.#names.get(host);
      for (const address of known?.addresses ?? []) endpoints.push({ address, port, hostname: host, weight, labels: {}, locality: '' });
      if (known?.failure) failure = `${host}: ${known.failure}`;
    }
    return { cluster, endpoints, failure: endpoints.length === 0 ? failure : null };
  }
}

async function lookupAll(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true });
  return found.map(({ address }) => address);
}

function timeout(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}
