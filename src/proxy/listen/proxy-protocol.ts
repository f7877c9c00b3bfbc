import { ipBytes, ipText } from '../../base/ip-bytes.ts';
import { MORE, nothingSaid, proxyError, type ProxyRead } from './proxy-header.ts';
import { readV2, V2_SIGNATURE } from './proxy-protocol-v2.ts';

export { MAX_PROXY_HEADER_BYTES, type ProxyHeader, type ProxyRead, type ProxyTls, type ProxyTlv } from './proxy-header.ts';

const ABSENT: ProxyRead = { kind: 'absent' };

/** The longest first line of version 1 with its CRLF (proxy-protocol.txt §2.1). */
const MAX_V1_BYTES = 107;

const V1_SIGNATURE = Buffer.from('PROXY ', 'latin1');

/**
 * Reads the PROXY header (proxy-protocol.txt, version 1 or 2) at the head of a connection. `buf[start, end)` is everything received so
 * far, from the connection's first byte. Called again with more bytes it gives the same as if they had come at once; a call costs no more
 * than the header's length. Strict: what another reader could take for something else is an error.
 */
export function readProxyHeader(buf: Buffer, start: number, end: number): ProxyRead {
  if (end <= start) return MORE;
  const isV1 = buf[start] === V1_SIGNATURE[0];
  const signature = isV1 ? V1_SIGNATURE : V2_SIGNATURE;
  const seen = Math.min(end - start, signature.length);
  for (let i = 0; i < seen; i++) if (buf[start + i] !== signature[i]) return ABSENT;
  if (seen < signature.length) return MORE;
  return isV1 ? readV1(buf, start, end) : readV2(buf, start, end);
}

function readV1(buf: Buffer, start: number, end: number): ProxyRead {
  const stop = Math.min(end, start + MAX_V1_BYTES);
  let at = start + V1_SIGNATURE.length;
  // A byte outside visible ASCII is wrong wherever it stands, so that it is seen before the line is whole.
  while (at < stop && buf[at] >= 0x20 && buf[at] < 0x7f) at++;
  if (at < stop && buf[at] !== 13) return proxyError('proxy_protocol.v1_byte_invalid');
  if (at + 1 >= stop) return stop - start === MAX_V1_BYTES ? proxyError('proxy_protocol.v1_too_long') : MORE;
  if (buf[at + 1] !== 10) return proxyError('proxy_protocol.v1_bare_cr');
  return readLine(buf.latin1Slice(start + V1_SIGNATURE.length, at), at + 2 - start);
}

function readLine(line: string, bytes: number): ProxyRead {
  const words = line.split(' ');
  const [protocol] = words;
  // Whatever follows UNKNOWN is to be ignored.
  if (protocol === 'UNKNOWN') return { ...nothingSaid, version: 1, bytes };
  if (protocol !== 'TCP4' && protocol !== 'TCP6') return proxyError('proxy_protocol.v1_protocol_invalid');
  if (words.length !== 5) return proxyError('proxy_protocol.v1_fields_invalid');
  const source = address(protocol, words[1]);
  const destination = address(protocol, words[2]);
  if (source === '' || destination === '') return proxyError('proxy_protocol.v1_address_invalid');
  const sourcePort = port(words[3]);
  const destinationPort = port(words[4]);
  if (sourcePort < 0 || destinationPort < 0) return proxyError('proxy_protocol.v1_port_invalid');
  return {
    ...nothingSaid,
    version: 1,
    family: protocol === 'TCP4' ? 'inet' : 'inet6',
    sourceAddress: source,
    sourcePort,
    destinationAddress: destination,
    destinationPort,
    bytes,
  };
}

function address(protocol: 'TCP4' | 'TCP6', text: string): string {
  const bytes = ipBytes(text);
  if (protocol === 'TCP4') return bytes?.length === 4 ? ipText(bytes, 0, 4) : '';
  return bytes?.length === 16 ? ipText(bytes, 0, 16) : '';
}

/** -1: not a port. Leading zeros are not permitted. */
function port(text: string): number {
  if (!/^(0|[1-9][0-9]{0,4})$/.test(text)) return -1;
  const value = Number(text);
  return value > 65_535 ? -1 : value;
}
