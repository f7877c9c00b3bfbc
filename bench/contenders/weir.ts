import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort, start } from '../process.ts';
import { apiKey, type Contender, type Site } from './contender.ts';

const home = fileURLToPath(new URL('../..', import.meta.url));

/** `npm run build` first: the figures are those of the published JavaScript. Without it the source runs, and starts slower. */
export const weirProgram: string = existsSync(join(home, 'dist/cli/main.js'))
  ? join(home, 'dist/cli/main.js')
  : join(home, 'src/cli/main.ts');

/** An Istio gateway with one route, and what else the row wants. JSON is YAML. */
export function istioConfig(site: Site, more: readonly object[] = []): string {
  const documents: readonly object[] = [
    {
      apiVersion: 'networking.istio.io/v1',
      kind: 'Gateway',
      metadata: { name: 'bench' },
      spec: { servers: [{ port: { number: site.port, name: 'http', protocol: 'HTTP' }, bind: '127.0.0.1', hosts: ['*'] }] },
    },
    {
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { name: 'bench' },
      spec: { hosts: ['*'], gateways: ['bench'], http: [{ name: 'all', route: [{ destination: { host: 'upstream.example' } }] }] },
    },
    {
      apiVersion: 'networking.istio.io/v1',
      kind: 'ServiceEntry',
      metadata: { name: 'upstream' },
      spec: {
        hosts: ['upstream.example'],
        ports: [{ number: 80, name: 'http', protocol: 'HTTP', targetPort: site.upstreamPort }],
        resolution: 'STATIC',
        endpoints: [{ address: '127.0.0.1' }],
      },
    },
    ...more,
  ];
  return asYaml(documents);
}

export function asYaml(documents: readonly object[]): string {
  return documents.map((document) => JSON.stringify(document)).join('\n---\n');
}

/** A Kong document with one service: API key, a limit nobody reaches, and consumers to look through. */
function kongConfig(site: Site): string {
  const consumers = Array.from({ length: 1000 }, (_, i) => ({ username: `consumer-${i}`, keyauth_credentials: [{ key: `key-${i}` }] }));
  return JSON.stringify({
    _format_version: '3.0',
    services: [{ name: 'bench', url: `http://127.0.0.1:${site.upstreamPort}`, routes: [{ name: 'all', paths: ['/'], strip_path: false }] }],
    plugins: [
      { name: 'key-auth', config: { hide_credentials: true } },
      { name: 'rate-limiting', config: { minute: 1_000_000_000, policy: 'local', limit_by: 'consumer' } },
    ],
    consumers: [...consumers, { username: 'bench', keyauth_credentials: [{ key: apiKey }] }],
  });
}

/** Arguments of `weir run` that every measurement shares. */
export async function runArguments(file: string, directory: string, log: string, workers = 1): Promise<readonly string[]> {
  const admin = `127.0.0.1:${await freePort()}`;
  const data = join(directory, 'data');
  return [
    process.execPath,
    weirProgram,
    'run',
    '-f',
    file,
    '--workers',
    String(workers),
    '--admin',
    admin,
    '--data',
    data,
    '--access-log',
    log,
  ];
}

export interface Variant {
  readonly name: string;
  readonly config: (site: Site) => string;
  /** Format of the access log; null: none. */
  readonly log: 'text' | 'json' | null;
  readonly headers?: readonly string[];
  /** Port in the configuration when it is not the site's. */
  readonly configuredPort?: number;
  readonly adminPort: number;
}

export function weir(variant: Variant): Contender {
  return {
    name: variant.name,
    program: null,
    headers: variant.headers ?? [],
    start(site) {
      const file = join(site.directory, 'config.yaml');
      writeFileSync(file, variant.config(site));
      const mapped =
        variant.configuredPort === undefined ? [] : ['--map-port', `${variant.configuredPort}:${site.port}`, '--bind', '127.0.0.1'];
      const command = [
        process.execPath,
        weirProgram,
        ...['run', '-f', file, '--workers', '1', '--admin', `127.0.0.1:${variant.adminPort}`],
        ...['--data', join(site.directory, 'data'), '--no-watch'],
        ...['--access-log', variant.log === null ? 'off' : join(site.directory, 'access.log'), '--log-format', variant.log ?? 'text'],
        ...mapped,
      ];
      return start(command, { cpu: site.cpu, cwd: site.directory, log: join(site.directory, 'output.log') });
    },
  };
}

const limitPolicy = {
  apiVersion: 'weir.dev/v1',
  kind: 'Policy',
  metadata: { name: 'limit' },
  spec: {
    targetRefs: [{ kind: 'VirtualService', name: 'bench' }],
    filters: [{ rateLimit: { limits: [{ requests: 1_000_000, per: 'second' }], key: [{ ip: true }] } }],
  },
};

export const weirPlain = weir({ name: 'Weir (metrics on)', config: (site) => istioConfig(site), log: null, adminPort: 29_901 });
export const weirLog = weir({ name: 'Weir + text log + metrics', config: (site) => istioConfig(site), log: 'text', adminPort: 29_902 });
export const weirJsonLog = weir({ name: 'Weir + JSON log + metrics', config: (site) => istioConfig(site), log: 'json', adminPort: 29_905 });
export const weirLogLimit = weir({
  name: 'Weir + text log + metrics + limit',
  config: (site) => istioConfig(site, [limitPolicy]),
  log: 'text',
  adminPort: 29_903,
});
export const weirKey = weir({
  name: 'Weir: key, limit, JSON log, metrics',
  config: kongConfig,
  log: 'json',
  headers: [`apikey: ${apiKey}`],
  configuredPort: 8000,
  adminPort: 29_904,
});
