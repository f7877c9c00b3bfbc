/** A rig whose only cluster is reached as a test says, and clients for it. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import type { TestContext } from 'node:test';
import type { Cluster } from '../../src/model/cluster.ts';
import type { Snapshot } from '../../src/model/snapshot.ts';
import type { ClientTls, Secret } from '../../src/model/tls.ts';
import { clusterOf, Rig, type RigOptions, routeTo, snapshotOf } from './rig.ts';

/** Names and reasons of one exchange, as the log has them. */
export const transportLog =
  '{"code":"%RESPONSE_CODE%","flags":"%RESPONSE_FLAGS%","details":"%RESPONSE_CODE_DETAILS%","reason":"%UPSTREAM_TRANSPORT_FAILURE_REASON%","host":"%UPSTREAM_HOST%","attempts":"%UPSTREAM_REQUEST_ATTEMPT_COUNT%"}';

export interface Reached {
  readonly cluster: Cluster;
  readonly secrets?: readonly Secret[];
}

/** TLS that believes the authority in the secret `ca` and asks for `upstream.test`. */
export function clientTls(more: Partial<ClientTls> = {}): ClientTls {
  return { sni: 'upstream.test', verify: true, ca: 'ca', subjectAltNames: [], certificate: null, ...more };
}

/** A cluster of loopback ports with TLS. */
export function tlsCluster(ports: readonly number[], tls: Partial<ClientTls> = {}, more: Partial<Cluster> = {}): Cluster {
  return clusterOf('b', ports, { transport: 'tls', tls: clientTls(tls), ...more });
}

function snapshot(port: number, { cluster, secrets = [] }: Reached, options: RigOptions): Snapshot {
  return { ...snapshotOf(port, [routeTo('b')], [cluster], options), secrets };
}

export class Reaching {
  readonly rig: Rig;
  private readonly options: RigOptions;

  private constructor(rig: Rig, options: RigOptions) {
    this.rig = rig;
    this.options = options;
  }

  static async start(t: TestContext, reached: Reached, options: RigOptions = {}): Promise<Reaching> {
    const all = { accessLog: transportLog, ...options };
    const rig = await Rig.start((port) => snapshot(port, reached, all), all);
    t.after(async () => {
      await rig.close();
      assert.deepEqual(rig.faults, [], 'no bug was caught by a guard');
    });
    return new Reaching(rig, all);
  }

  change(reached: Reached): Promise<void> {
    return this.rig.apply(snapshot(this.rig.port, reached, this.options));
  }

  /** One request on a connection of its own. */
  get(path = '/', host = 'client.test', more: { readonly method?: string; readonly body?: Buffer } = {}): Promise<Reply> {
    const { method = 'GET', body } = more;
    return new Promise((resolve, reject) => {
      const headers = { host, connection: 'close', ...(body === undefined ? {} : { 'content-length': body.length }) };
      const sent = request({ port: this.rig.port, host: '127.0.0.1', path, method, headers, agent: false }, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', reject);
        response.on('end', () => {
          const bytes = Buffer.concat(parts);
          resolve({ status: response.statusCode ?? 0, headers: response.headers, bytes, text: bytes.toString('latin1') });
        });
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  /** The last of `count` lines. */
  async lastLog(count: number): Promise<Readonly<Record<string, unknown>>> {
    const lines = await this.rig.logged(count);
    return lines[count - 1];
  }
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly bytes: Buffer;
  readonly text: string;
}
