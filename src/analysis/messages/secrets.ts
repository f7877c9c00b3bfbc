import type { MessageSpec } from '../messages.ts';

/** 03 from 0331 on: certificates, whatever dialect names them. */
export const secretMessages = {
  WR0331: {
    severity: 'error',
    title: 'Certificate or key cannot be used',
    explanation:
      'The PEM text cannot be read, the key does not belong to the certificate, or OpenSSL refuses it. The last good version of the Secret or file serves; where there is none, the handshakes that need it fail. No message shows a byte of a key.',
  },
  WR0332: {
    severity: 'warning',
    title: 'Certificate is expired or not yet valid',
    explanation: 'It is served as it is and clients will refuse it. `/certs` of the admin address tells when each certificate expires.',
  },
  WR0333: {
    severity: 'error',
    title: 'Secret does not exist or holds no certificate',
    explanation:
      'A listener or destination names a Secret (`credentialName`, `certificateRefs`) that is not in the configuration, or that lacks what is needed: `tls.crt` and `tls.key` (Istio also `cert` and `key`) for a certificate, `ca.crt` or `cacert` for authorities. Handshakes that need it fail, requests to such a destination are answered 503.',
  },
  WR0334: {
    severity: 'error',
    title: 'Certificate file cannot be read',
    explanation:
      'The file that a listener or destination names does not exist, may not be read, or is too large. A relative path starts at the directory of the configuration file. What was read last serves; where there is nothing, the handshakes that need it fail.',
  },
} as const satisfies Readonly<Record<string, MessageSpec>>;
