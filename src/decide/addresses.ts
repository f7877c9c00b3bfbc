import { BlockList, isIP } from 'node:net';
import { plainAddress } from '../base/ip.ts';

/** A set of addresses and ports, from CIDRs with an optional `#port` (`10.0.0.0/8#443`, `::1`, `#443`). */
export class AddressSet {
  /** As configured. */
  readonly texts: readonly string[];
  /** Networks that hold for any port (-1) and for single ones; null: any address. */
  private readonly networks = new Map<number, BlockList | null>();

  /** What is no CIDR holds for nothing; dialects report it. */
  constructor(texts: readonly string[]) {
    this.texts = texts;
    for (const text of texts) {
      const parsed = parseNetwork(text);
      if (parsed === null) continue;
      const { address, bits, port } = parsed;
      if (address === '') {
        this.networks.set(port, null);
        continue;
      }
      const known = this.networks.get(port);
      if (known === null) continue;
      const list = known ?? new BlockList();
      list.addSubnet(address, bits, isIP(address) === 6 ? 'ipv6' : 'ipv4');
      this.networks.set(port, list);
    }
  }

  /** An empty set of conditions holds for everything. */
  holds(address: string, port: number): boolean {
    if (this.texts.length === 0) return true;
    if (this.networks.size === 0) return false;
    const plain = plainAddress(address);
    return this.isIn(-1, plain) || this.isIn(port, plain);
  }

  private isIn(port: number, address: string): boolean {
    const list = this.networks.get(port);
    if (list === undefined) return false;
    const family = isIP(address);
    return list === null || (family !== 0 && list.check(address, family === 6 ? 'ipv6' : 'ipv4'));
  }
}

/** `address/bits#port`; bits and port may be absent (port −1), as may the address before a port (''). Null: it is none. */
export function parseNetwork(text: string): { readonly address: string; readonly bits: number; readonly port: number } | null {
  const parts = /^([^/#]*)(?:\/(\d{1,3}))?(?:#(\d{1,5}))?$/.exec(text);
  if (parts === null) return null;
  const [, address = '', bitsText, portText] = parts;
  const port = portText === undefined ? -1 : Number(portText);
  if (port === 0 || port > 65_535) return null;
  if (address === '') return portText === undefined || bitsText !== undefined ? null : { address, bits: 0, port };
  const family = isIP(address);
  const most = family === 6 ? 128 : 32;
  const bits = bitsText === undefined ? most : Number(bitsText);
  return family === 0 || bits > most ? null : { address, bits, port };
}
