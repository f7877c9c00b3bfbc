/** A way to a server that breaks where a test says. */
import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import type { TestContext } from 'node:test';
import { portOf } from './raw.ts';

export type Cut = { readonly side: 'client' | 'server'; readonly after: number; readonly how: 'end' | 'reset' } | null;

/** Passes bytes on to a port, and cuts the client off after so many of one side. */
export class Relay {
  port = 0;
  private readonly server: Server;
  cut: Cut = null;
  /** Changes one byte of the server's, counted from the connection's first. */
  flip: { readonly at: number; readonly mask: number } | null = null;
  readonly passed = { client: 0, server: 0 };

  private constructor(to: number) {
    this.server = createServer((front) => {
      const back = connect(to, '127.0.0.1');
      this.passed.client = 0;
      this.passed.server = 0;
      const pass = (side: 'client' | 'server'): void => {
        const [from, into] = side === 'client' ? [front, back] : [back, front];
        from.on('error', () => into.destroy());
        from.on('close', () => into.destroy());
        from.on('data', (bytes: Buffer) => {
          const { cut, flip } = this;
          const at = side === 'server' && flip !== null ? flip.at - this.passed.server : -1;
          if (flip !== null && at >= 0 && at < bytes.length) bytes[at] ^= flip.mask;
          const room = cut === null || cut.side !== side ? Infinity : cut.after - this.passed[side];
          const part = bytes.subarray(0, room);
          this.passed[side] += part.length;
          if (part.length > 0) into.write(part);
          if (this.passed[side] < (cut?.side === side ? cut.after : Infinity)) return;
          back.destroy();
          if (cut?.how === 'reset') front.resetAndDestroy();
          else front.end(() => front.destroy());
        });
      };
      pass('client');
      pass('server');
    });
  }

  static async start(t: TestContext, to: number): Promise<Relay> {
    const relay = new Relay(to);
    relay.server.listen(0, '127.0.0.1');
    await once(relay.server, 'listening');
    relay.port = portOf(relay.server);
    t.after(() => relay.server.close());
    return relay;
  }
}
