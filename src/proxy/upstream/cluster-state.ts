import type { Cluster, Endpoint } from '../../model/cluster.ts';
import { pickEndpoint } from '../../decide/balance.ts';
import { EndpointState, endpointKey } from './endpoint.ts';
import { type FindSecret, noSecrets, Secrets } from './tls/secrets.ts';
import { plaintext, type Transport, transportOf } from './transport.ts';

/**
 * Live state of one cluster in one worker: endpoints with their pools and the balancer's position. Its identity is the
 * cluster's name; a new revision changes the settings and keeps the state.
 */
export class ClusterState {
  readonly name: string;
  config: Cluster;
  endpoints: EndpointState[] = [];
  /** How sockets are made under the settings in force. */
  transport: Transport;
  /** Why the name has no address; null when it has, or needs none. */
  resolveFailure: string | null = null;
  /** Balancer position, carried over revisions. */
  position = 0;
  activeTotal = 0;
  private resolved: readonly Endpoint[] | null = null;

  constructor(config: Cluster, secrets: Secrets = noSecrets) {
    this.name = config.name;
    this.config = config;
    this.transport = transportOf(config, secrets, plaintext);
    this.list();
  }

  /** A new revision's settings and secrets. */
  configure(config: Cluster, secrets: Secrets = noSecrets): void {
    this.config = config;
    this.transport = transportOf(config, secrets, this.transport);
    this.list();
  }

  /** Addresses found outside the data path for a `dns` cluster. */
  resolve(endpoints: readonly Endpoint[], failure: string | null): void {
    this.resolveFailure = failure;
    if (failure === null || endpoints.length > 0) this.resolved = endpoints;
    this.list();
  }

  /** The configuration names the cluster no more. */
  retire(): void {
    for (const endpoint of this.endpoints) endpoint.retire();
  }

  /**
   * Chooses an endpoint; null when there is none. `except` is one that just failed; endpoints in back-off after a
   * failed connect are used only when there is nothing else.
   */
  pick(now: number, except: EndpointState | null): EndpointState | null {
    const endpoints = this.endpoints;
    if (endpoints.length === 1) {
      const only = endpoints[0];
      return only.weight > 0 ? only : null;
    }
    let usable = endpoints;
    for (let i = 0; i < endpoints.length; i++) {
      const endpoint = endpoints[i];
      if (endpoint === except || endpoint.isAvoided(now)) {
        usable = endpoints.filter((other) => other !== except && !other.isAvoided(now));
        if (!usable.some((other) => other.weight > 0)) usable = endpoints.filter((other) => other !== except);
        if (!usable.some((other) => other.weight > 0)) usable = endpoints;
        break;
      }
    }
    const index = pickEndpoint(this.config.balancer, usable, this, Math.random);
    return index < 0 ? null : usable[index];
  }

  private list(): void {
    const wanted = this.config.discovery === 'static' ? this.config.endpoints : (this.resolved ?? []);
    const known = new Map(this.endpoints.map((endpoint) => [endpoint.key, endpoint]));
    const next: EndpointState[] = [];
    for (const spec of wanted) {
      const key = endpointKey(spec.address, spec.port);
      const state = known.get(key) ?? new EndpointState(spec, this.name);
      known.delete(key);
      state.weight = spec.weight;
      state.locality = spec.locality;
      state.listed = true;
      state.setTransport(this.transport);
      if (!next.includes(state)) next.push(state);
    }
    for (const gone of known.values()) gone.retire();
    this.endpoints = next;
  }
}

/** Every cluster a worker has used or been told addresses of. */
export class ClusterSet {
  private readonly states = new Map<string, ClusterState>();
  /** Addresses that came before the cluster was used. */
  private readonly resolutions = new Map<string, { readonly endpoints: readonly Endpoint[]; readonly failure: string | null }>();
  private secrets: Secrets;

  /** `secret` until the first `apply`. */
  constructor(secret: FindSecret = () => null) {
    this.secrets = new Secrets(secret);
  }

  /** The state of a cluster, made at first use. */
  use(config: Cluster): ClusterState {
    const known = this.states.get(config.name);
    if (known !== undefined) return known;
    const made = new ClusterState(config, this.secrets);
    const resolution = this.resolutions.get(config.name);
    if (resolution !== undefined) made.resolve(resolution.endpoints, resolution.failure);
    this.states.set(config.name, made);
    return made;
  }

  resolve(name: string, endpoints: readonly Endpoint[], failure: string | null): void {
    const before = this.resolutions.get(name);
    const kept = failure !== null && endpoints.length === 0 && before !== undefined ? before.endpoints : endpoints;
    this.resolutions.set(name, { endpoints: kept, failure: kept.length > 0 ? null : failure });
    this.states.get(name)?.resolve(kept, kept.length > 0 ? null : failure);
  }

  /** Moves every state to a new revision; clusters it no longer has lose their idle connections. */
  apply(find: (name: string) => Cluster | null, secret: FindSecret): void {
    this.secrets = new Secrets(secret);
    for (const [name, state] of this.states) {
      const config = find(name);
      if (config !== null) state.configure(config, this.secrets);
      else {
        state.retire();
        this.states.delete(name);
        this.resolutions.delete(name);
      }
    }
  }

  all(): IterableIterator<ClusterState> {
    return this.states.values();
  }
}
