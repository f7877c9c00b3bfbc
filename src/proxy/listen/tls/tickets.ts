import { createHmac, randomBytes } from 'node:crypto';
import type { SharedSeed } from '../../../base/shared-seed.ts';

/** Node takes 16 bytes of name, 16 for the MAC and 16 for the cipher. */
const keyBytes = 48;

/**
 * Session ticket keys of one worker. All workers derive the same ones from the shared seed, so that a session begun at one is
 * resumed at another. The purpose is part of the derivation: a ticket of one chain means nothing to another, whose demands on clients
 * may differ (CVE-2025-23419). Node holds one key at a time: a session from before the seed was replaced begins anew.
 */
export class TicketKeys {
  private readonly seed: SharedSeed;
  private bytes: Uint8Array;
  /** Of the seed that the keys come from. */
  epoch: number;

  constructor(seed: SharedSeed) {
    this.seed = seed;
    this.epoch = -1;
    this.bytes = randomBytes(32);
    this.refresh();
  }

  /** Looks whether the seed was replaced. True: keys made before are out of date. */
  refresh(): boolean {
    const { epoch } = this.seed;
    if (epoch === this.epoch) return false;
    const bytes = this.seed.read();
    if (bytes === null) return false;
    this.bytes = bytes;
    this.epoch = epoch;
    return true;
  }

  key(purpose: string): Buffer {
    return createHmac('sha512', this.bytes).update(purpose).digest().subarray(0, keyBytes);
  }
}
