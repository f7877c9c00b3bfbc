import type { ServerTls } from '../../../model/tls.ts';
import { readMaterial, type ReadSecret } from './context.ts';
import { TlsTerminator } from './terminator.ts';
import type { TicketKeys } from './tickets.ts';

/** What ends the TLS of a chain of one revision; a text is the reason why nothing can. */
export type TerminatorOf = (tls: ServerTls) => TlsTerminator | string;

/**
 * The terminators of one worker, made when their first connection comes and kept over revisions that change nothing for them: with
 * them stay the contexts, which cost a millisecond or more to make.
 */
export class Terminators {
  private readonly keys: TicketKeys;
  /** Those that served in the last revision and in this one. */
  private before = new Map<string, TlsTerminator>();
  private now = new Map<string, TlsTerminator>();

  constructor(keys: TicketKeys) {
    this.keys = keys;
  }

  /** A new revision with its secrets. */
  of(secret: ReadSecret): TerminatorOf {
    this.before = this.now;
    this.now = new Map();
    const { before, now } = this;
    const found = new Map<ServerTls, TlsTerminator | string>();
    return (tls) => {
      let terminator = found.get(tls);
      if (terminator === undefined) {
        terminator = this.make(tls, secret, before, now);
        found.set(tls, terminator);
      }
      return terminator;
    };
  }

  private make(
    tls: ServerTls,
    secret: ReadSecret,
    before: Map<string, TlsTerminator>,
    now: Map<string, TlsTerminator>,
  ): TlsTerminator | string {
    const material = readMaterial(tls, secret);
    if (typeof material === 'string') return material;
    try {
      const terminator = now.get(material.id) ?? before.get(material.id) ?? new TlsTerminator(material, this.keys);
      now.set(material.id, terminator);
      return terminator;
    } catch (error) {
      return `the listener's TLS cannot be set up: ${error instanceof Error ? error.message : String(error)}`;
    }
  }
}
