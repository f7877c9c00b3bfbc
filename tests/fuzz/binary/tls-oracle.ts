import { spawnSync } from 'node:child_process';
import { Duplex } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { createServer, type Server } from 'node:tls';

let made: string | null = null;

/** With a certificate, so that a client without a name is answered too. */
function pem(): string {
  if (made !== null) return made;
  const options = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=a', '-keyout', '-'];
  const { stdout, status } = spawnSync('openssl', options, { encoding: 'utf8' });
  if (status !== 0) throw new Error('openssl made no certificate');
  return (made = stdout);
}

const HANDSHAKE = 22;
/** Of the loop, more than Node takes from the bytes to the answer. */
const TURNS = 8;

/**
 * The name that OpenSSL reads in a ClientHello, '' for none; null when it refuses the bytes, or wants more, before it comes to
 * choose a certificate.
 */
export async function tlsServerName(input: Buffer): Promise<string | null> {
  const read: { name: string | null } = { name: null };
  const server: Server = createServer({
    key: pem(),
    cert: pem(),
    minVersion: 'TLSv1',
    ciphers: 'ALL:@SECLEVEL=0',
    SNICallback: (asked, done) => {
      read.name = asked;
      done(null);
    },
  });
  const wire = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      if (chunk[0] === HANDSHAKE) read.name ??= '';
      done();
    },
  });
  server.on('tlsClientError', () => undefined);
  wire.on('error', () => undefined);
  server.emit('connection', wire);
  wire.push(input);
  for (let i = 0; i < TURNS && read.name === null; i++) await turn();
  wire.destroy();
  return read.name;
}
