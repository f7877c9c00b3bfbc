import { hash } from 'node:crypto';

/**
 * An identifier in UUID form made from names alone (version 5 layout of RFC 9562 §5.5, over SHA-256): the same text
 * gives the same id in every process and revision.
 */
export function derivedId(...parts: readonly string[]): string {
  const hex = hash('sha256', ['weir', 'kong', ...parts].join('\0'), 'hex');
  const variant = ((Number.parseInt(hex[16] ?? '0', 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
