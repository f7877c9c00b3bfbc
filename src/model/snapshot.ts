import type { Cluster } from './cluster.ts';
import type { Consumer } from './consumer.ts';
import type { Listener } from './listener.ts';
import type { Origin } from './origin.ts';
import type { Route } from './route.ts';
import type { Secret } from './tls.ts';

/** Gateway API style condition: type, status, reason, message. */
export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
}

/** Status of one resource. Gateways fill `listeners`, routes fill `parents`. */
export interface ResourceStatus {
  readonly kind: string;
  readonly namespace: string | null;
  readonly name: string;
  readonly origin: Origin;
  /** True: the text in the file is broken, an older version serves (or none does). */
  readonly quarantined: boolean;
  readonly conditions: readonly Condition[];
  readonly listeners: readonly {
    readonly name: string;
    /** Name of the model listener (`address:port`), null when it is not served. */
    readonly listener: string | null;
    readonly attachedRoutes: number;
    readonly supportedKinds: readonly string[];
    readonly conditions: readonly Condition[];
  }[];
  readonly parents: readonly {
    readonly kind: string;
    readonly namespace: string | null;
    readonly name: string;
    readonly sectionName: string | null;
    readonly port: number | null;
    readonly conditions: readonly Condition[];
  }[];
}

/** Everything the data plane needs, immutable. JSON all through. */
export interface Snapshot {
  readonly listeners: readonly Listener[];
  readonly routes: readonly Route[];
  readonly clusters: readonly Cluster[];
  readonly consumers: readonly Consumer[];
  /** Absent: none. */
  readonly secrets?: readonly Secret[];
  readonly status: readonly ResourceStatus[];
}

/** What one dialect contributes; the compiler joins fragments. */
export interface Fragment {
  readonly listeners: readonly Listener[];
  /** MatchEntry.route of this fragment's listeners index into this list. */
  readonly routes: readonly Route[];
  readonly clusters: readonly Cluster[];
  readonly consumers: readonly Consumer[];
  /** Absent: none. */
  readonly secrets?: readonly Secret[];
  readonly status: readonly ResourceStatus[];
}

export const emptyFragment: Fragment = { listeners: [], routes: [], clusters: [], consumers: [], status: [] };
