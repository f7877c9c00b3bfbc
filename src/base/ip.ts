/** IPv4 clients of a dual-stack socket as IPv4. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}

/** `ip:port`, IPv6 in brackets; '' for no address (a Unix socket). */
export function joinAddress(address: string, port: number): string {
  if (address === '') return '';
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
