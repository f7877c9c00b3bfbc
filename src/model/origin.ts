/** The dialects Weir reads. */
export type DialectName = 'istio' | 'gateway-api' | 'kubernetes' | 'kong' | 'openapi' | 'weir';

/** Where a part of the model comes from: the resource and the place of its text. */
export interface Origin {
  readonly dialect: DialectName;
  readonly kind: string;
  readonly namespace: string | null;
  readonly name: string;
  /** Path as the user gave it, `-` for standard input. */
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** 1-based. */
  readonly column: number;
}
