import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { socketFailure, tlsDetails, tlsReason } from './failure.ts';

const error = (code: string, more: object = {}): Error => Object.assign(new Error('secret text'), { code }, more);

describe('what a socket failed with', () => {
  it('is the system code of plain text, and a reason of TLS', () => {
    const rows: readonly [error: Error, isTls: boolean, connected: boolean, code: string, tls: string | null][] = [
      [error('ECONNREFUSED', { syscall: 'connect' }), false, false, 'ECONNREFUSED', null],
      [error('ECONNREFUSED', { syscall: 'connect' }), true, false, 'ECONNREFUSED', null],
      [error('ECONNRESET', { syscall: 'read' }), false, true, 'ECONNRESET', null],
      [error('ECONNRESET', { syscall: 'read' }), true, true, 'ECONNRESET', null],
      [error('ECONNRESET', { syscall: 'read' }), true, false, 'TLS_error:connection_closed_in_handshake', 'connection'],
      [error('ECONNRESET'), true, false, 'TLS_error:connection_closed_in_handshake', 'connection'],
      [error('EPIPE'), true, true, 'EPIPE', null],
      [error('CERT_HAS_EXPIRED'), true, false, 'TLS_error:CERTIFICATE_VERIFY_FAILED:CERT_HAS_EXPIRED', 'chain'],
      [error('ERR_TLS_CERT_ALTNAME_INVALID'), true, false, 'TLS_error:CERTIFICATE_VERIFY_FAILED:no_expected_name', 'name'],
      [error('ERR_SSL_WRONG_VERSION_NUMBER'), true, false, 'TLS_error:WRONG_VERSION_NUMBER', 'connection'],
      [error('ERR_SSL_X', { reason: 'y' }), true, true, 'TLS_error:X', 'connection'],
      [error('EPROTO', { reason: 'no shared cipher' }), true, false, 'TLS_error:no_shared_cipher', 'connection'],
      [error('ERR_OTHER'), true, false, 'TLS_error:ERR_OTHER', 'connection'],
      [error('TLS_error:no_secret:a/b'), false, false, 'TLS_error:no_secret:a/b', 'connection'],
      [new Error('without a code'), true, false, 'TLS_error:ERROR', 'connection'],
      [new Error('without a code'), false, false, 'ERROR', null],
    ];
    for (const [given, isTls, connected, code, tls] of rows) assert.deepEqual(socketFailure(given, isTls, connected), { code, tls }, code);
  });

  it('is one bounded word for the log', () => {
    assert.equal(tlsReason('a b\r\n"c%{d}|e'), 'TLS_error:a_b_c_d_e');
    assert.equal(tlsReason('x'.repeat(1000)).length, 160);
    assert.equal(tlsDetails('remote_connection_failure', 'ECONNRESET'), undefined);
    assert.equal(
      tlsDetails('connection_termination', 'TLS_error:X'),
      'upstream_reset_before_response_started{connection_termination|TLS_error:X}',
    );
  });
});
