import type { Origin } from './origin.ts';

/** Who a credential belongs to (Kong consumer). */
export interface Consumer {
  /** Stable id: the one in the document, else derived from the name. */
  readonly id: string;
  readonly username: string | null;
  readonly customId: string | null;
  /** ACL groups. */
  readonly groups: readonly string[];
  readonly keys: readonly ConsumerKey[];
  readonly origin: Origin;
}

/** An API key, never in clear: hex SHA-256 of its UTF-8 bytes. */
export interface ConsumerKey {
  /** Id of the credential, for X-Credential-Identifier. */
  readonly id: string;
  readonly sha256: string;
}
