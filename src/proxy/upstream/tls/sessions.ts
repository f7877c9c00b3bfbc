interface Known {
  /** Most recent last. */
  readonly sessions: Buffer[];
  /** TLS 1.2 sessions may be shown again and again; a ticket of TLS 1.3 only once (RFC 8446 C.4). */
  reusable: boolean;
}

/** Server names whose sessions one endpoint keeps; the one longest unused goes. */
const maxNames = 32;
/** Tickets kept of one name: what connections opened in one burst can use. */
const maxTickets = 4;

/** TLS sessions of one endpoint, to be resumed by its next connections. */
export class TlsSessions {
  private readonly names = new Map<string, Known>();

  take(name: string): Buffer | undefined {
    const known = this.names.get(name);
    if (known === undefined) return undefined;
    if (known.reusable) return known.sessions.at(-1);
    const session = known.sessions.pop();
    if (known.sessions.length === 0) this.names.delete(name);
    return session;
  }

  give(name: string, session: Buffer, reusable: boolean): void {
    let known = this.names.get(name);
    this.names.delete(name);
    if (known === undefined || known.reusable || reusable) known = { sessions: [], reusable };
    if (known.sessions.length >= maxTickets) known.sessions.shift();
    known.sessions.push(session);
    this.names.set(name, known);
    if (this.names.size <= maxNames) return;
    for (const oldest of this.names.keys()) {
      this.names.delete(oldest);
      return;
    }
  }

  /** After a handshake that failed: a server that chokes on a session gets a whole handshake next. */
  drop(name: string): void {
    this.names.delete(name);
  }

  clear(): void {
    this.names.clear();
  }

  /** Sessions kept. For tests. */
  get size(): number {
    let size = 0;
    for (const { sessions } of this.names.values()) size += sessions.length;
    return size;
  }
}
