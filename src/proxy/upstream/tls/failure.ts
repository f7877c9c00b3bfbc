interface TlsFailure {
  readonly kind: TlsFailureKind;
  /** For `%UPSTREAM_TRANSPORT_FAILURE_REASON%`: `TLS_error:…`, letters, digits and `_:./-` only, at most `maxReason` long. */
  readonly reason: string;
}

/** Which counter a failed handshake belongs to (Envoy `ssl.*`). */
export type TlsFailureKind = 'connection' | 'chain' | 'name';

const maxReason = 160;

/** What OpenSSL's verification ends with (`openssl verify`, "Diagnostics"), as Node names it. */
const chainCodes: ReadonlySet<string> = new Set([
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_CRL',
  'UNABLE_TO_DECRYPT_CERT_SIGNATURE',
  'UNABLE_TO_DECRYPT_CRL_SIGNATURE',
  'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY',
  'CERT_SIGNATURE_FAILURE',
  'CRL_SIGNATURE_FAILURE',
  'CERT_NOT_YET_VALID',
  'CERT_HAS_EXPIRED',
  'CRL_NOT_YET_VALID',
  'CRL_HAS_EXPIRED',
  'ERROR_IN_CERT_NOT_BEFORE_FIELD',
  'ERROR_IN_CERT_NOT_AFTER_FIELD',
  'ERROR_IN_CRL_LAST_UPDATE_FIELD',
  'ERROR_IN_CRL_NEXT_UPDATE_FIELD',
  'OUT_OF_MEM',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_CHAIN_TOO_LONG',
  'CERT_REVOKED',
  'INVALID_CA',
  'PATH_LENGTH_EXCEEDED',
  'INVALID_PURPOSE',
  'CERT_UNTRUSTED',
  'CERT_REJECTED',
  'HOSTNAME_MISMATCH',
  'UNSPECIFIED',
]);

/** A reason of our own or OpenSSL's, fit for one field of a log line. */
export function tlsReason(text: string): string {
  return `TLS_error:${text.replace(/[^A-Za-z0-9_:./-]+/g, '_')}`.slice(0, maxReason);
}

/** Details of an exchange that TLS ended before its response, as Envoy writes them; undefined: `code` says nothing of TLS. */
export function tlsDetails(reset: 'remote_connection_failure' | 'connection_termination', code: string): string | undefined {
  return code.startsWith('TLS_error:') ? `upstream_reset_before_response_started{${reset}|${code}}` : undefined;
}

/**
 * The code of a socket's error for log and details: a reason where TLS failed, else the system's code. `isTls`: the socket is to
 * speak TLS. `connected`: the handshake is over.
 */
export function socketFailure(
  error: Error,
  isTls: boolean,
  connected: boolean,
): { readonly code: string; readonly tls: TlsFailureKind | null } {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : 'ERROR';
  // `openSocket` gave up before it began.
  if (code.startsWith('TLS_error:')) return { code, tls: 'connection' };
  if (!isTls || ('syscall' in error && (connected || error.syscall === 'connect'))) return { code, tls: null };
  if (connected && (code === 'ECONNRESET' || code === 'EPIPE')) return { code, tls: null };
  const { reason, kind } = tlsFailure(error, code);
  return { code: reason, tls: kind };
}

function tlsFailure(error: Error, code: string): TlsFailure {
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return { kind: 'name', reason: tlsReason('CERTIFICATE_VERIFY_FAILED:no_expected_name') };
  if (chainCodes.has(code)) return { kind: 'chain', reason: tlsReason(`CERTIFICATE_VERIFY_FAILED:${code}`) };
  if (code === 'ECONNRESET' || code === 'EPIPE') return { kind: 'connection', reason: tlsReason('connection_closed_in_handshake') };
  // `ERR_SSL_WRONG_VERSION_NUMBER`; older ones only tell in `reason`.
  if (code.startsWith('ERR_SSL_')) return { kind: 'connection', reason: tlsReason(code.slice('ERR_SSL_'.length)) };
  const reason = 'reason' in error && typeof error.reason === 'string' ? error.reason : '';
  return { kind: 'connection', reason: tlsReason(reason !== '' ? reason : code) };
}
