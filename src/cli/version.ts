import { readFileSync } from 'node:fs';

/** Version of the package; it stands two levels up from source and from the built program alike. */
export function version(): string {
  const text: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  const found: unknown = typeof text === 'object' && text !== null ? Reflect.get(text, 'version') : null;
  return typeof found === 'string' ? found : 'unknown';
}
