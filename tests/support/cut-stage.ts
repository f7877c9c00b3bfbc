/** Exchanges that are cut, many at a time, each with an upstream that does what its test says. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Cluster } from '../../src/model/cluster.ts';
import type { Secret } from '../../src/model/tls.ts';
import { CutRig } from './cuts.ts';
import { readRequest } from './http1-text.ts';
import { exchange, RawBackend, RawClient } from './raw.ts';
import { clusterOf, type RigOptions, routeTo, snapshotOf } from './rig.ts';

/** Status and flags of an exchange, as the log has them. */
export type Outcome = readonly [code: unknown, flags: unknown];

/** What the upstream does with the request of one path. */
export interface Scene {
  /** The head is here. */
  readonly onHead?: (socket: Socket) => void;
  /** All of it is here. */
  readonly onRequest?: (socket: Socket) => void;
}

export interface StageOptions extends RigOptions {
  readonly cluster?: Partial<Cluster>;
  /** The listener ends TLS with these. */
  readonly secrets?: readonly Secret[];
}

/** One worker, and an upstream that plays a scene for each path. */
export class CutStage {
  readonly cuts: CutRig;
  private readonly backend: RawBackend;
  private readonly scenes: Map<string, Scene>;
  private readonly isSecure: boolean;
  private readonly logged = new Map<string, Outcome>();
  private lines = 0;

  private constructor(cuts: CutRig, backend: RawBackend, scenes: Map<string, Scene>, isSecure: boolean) {
    this.cuts = cuts;
    this.isSecure = isSecure;
    this.backend = backend;
    this.scenes = scenes;
  }

  static async start(t: TestContext, options: StageOptions = {}): Promise<CutStage> {
    const scenes = new Map<string, Scene>();
    const backend = await RawBackend.start((connection) => {
      const { socket } = connection;
      socket.on('end', () => socket.end());
      let at = 0;
      let begun = '';
      socket.on('data', () => {
        for (;;) {
          const request = readRequest(connection.received.slice(at));
          if (request === null) return;
          const scene = scenes.get(request.path);
          if (begun !== request.path) scene?.onHead?.(socket);
          begun = request.path;
          if (!request.whole) return;
          at += request.bytes;
          scene?.onRequest?.(socket);
        }
      });
    });
    t.after(() => backend.close());
    const { cluster = {}, secrets = [], ...rest } = options;
    const cuts = await CutRig.start(
      t,
      (port) => ({ ...snapshotOf(port, [routeTo('b')], [clusterOf('b', [backend.port], cluster)], rest), secrets }),
      rest,
    );
    return new CutStage(cuts, backend, scenes, secrets.length > 0);
  }

  /** A path of its own for each exchange, with what its upstream does. */
  path(scene: Scene): string {
    const path = `/${String(this.scenes.size).padStart(4, '0')}`;
    this.scenes.set(path, scene);
    return path;
  }

  connect(): Promise<RawClient> {
    return RawClient.connect(this.cuts.rig.port);
  }

  /** A client's socket under TLS, and the one below it. */
  async connectTls(protocol: 'http/1.1' | 'h2'): Promise<{ readonly secure: TLSSocket; readonly below: Socket }> {
    const below = connect({ host: '127.0.0.1', port: this.cuts.rig.port, noDelay: true });
    const secure = connectTls({ socket: below, servername: 'a.test', rejectUnauthorized: false, ALPNProtocols: [protocol] });
    await once(secure, 'secureConnect');
    for (const socket of [below, secure]) socket.on('error', () => undefined);
    return { secure, below };
  }

  /** The answer to one more request, on a connection of its own. */
  private async ask(path: string): Promise<string> {
    const request = `GET ${path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n`;
    if (!this.isSecure) return exchange(this.cuts.rig.port, request);
    const { secure } = await this.connectTls('http/1.1');
    secure.setEncoding('latin1');
    secure.end(request);
    let text = '';
    for await (const part of secure) text += String(part);
    return text;
  }

  /** After the exchanges are over: closes what is kept for more, and looks at what is left and at the log. */
  async settle(): Promise<void> {
    await this.cuts.rig.settled();
    for (const { socket } of this.backend.connections.splice(0)) socket.destroy();
    await this.cuts.nothingIsLeft();
    // Its line comes after all others.
    const last = this.path({ onRequest: (socket) => socket.end('HTTP/1.1 204 No Content\r\n\r\n') });
    assert.match(await this.ask(last), /^HTTP\/1\.1 204 /);
    for (let isOver = false; !isOver;) {
      const lines = await this.cuts.rig.logged(this.lines + 1);
      for (const { path, response_code: code, response_flags: flags } of lines.slice(this.lines)) {
        assert.ok(!this.logged.has(String(path)), `one line for ${String(path)}`);
        this.logged.set(String(path), [code, flags]);
        isOver ||= path === last;
      }
      this.lines = lines.length;
    }
  }

  /** What the log says of a path; undefined: nothing. */
  outcome(path: string): Outcome | undefined {
    return this.logged.get(path);
  }
}
