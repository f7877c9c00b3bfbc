import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { start } from '../process.ts';
import type { Contender } from './contender.ts';

function haproxy(name: string, global: string): Contender {
  return {
    name,
    program: 'haproxy',
    headers: [],
    start(site) {
      const file = join(site.directory, 'haproxy.cfg');
      writeFileSync(
        file,
        `global
  nbthread 1
  maxconn 8000
  ${global}
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 60s
  option forwardfor
  http-reuse always
frontend in
  bind 127.0.0.1:${site.port} backlog 4096
  http-request set-header X-Forwarded-Proto http
  default_backend out
backend out
  server one 127.0.0.1:${site.upstreamPort}
`,
      );
      return start(['haproxy', '-db', '-f', file], { cpu: site.cpu, cwd: site.directory, log: join(site.directory, 'output.log') });
    },
  };
}

export const haproxyPlain = haproxy('HAProxy', '');
export const haproxyLargeBuffers = haproxy('HAProxy, 64k buffers', 'tune.bufsize 65536');

export const caddy: Contender = {
  name: 'Caddy',
  program: 'caddy',
  headers: [],
  start(site) {
    const file = join(site.directory, 'Caddyfile');
    writeFileSync(
      file,
      `{
  admin off
  auto_https off
}
:${site.port} {
  reverse_proxy 127.0.0.1:${site.upstreamPort} {
    transport http {
      keepalive_idle_conns_per_host 256
    }
  }
}
`,
    );
    return start(['caddy', 'run', '--config', file, '--adapter', 'caddyfile'], {
      cpu: site.cpu,
      cwd: site.directory,
      env: { GOMAXPROCS: '1', HOME: site.directory, XDG_CONFIG_HOME: site.directory, XDG_DATA_HOME: site.directory },
      log: join(site.directory, 'output.log'),
    });
  },
};

function node(name: string, script: string): Contender {
  return {
    name,
    program: null,
    headers: [],
    start(site) {
      const file = fileURLToPath(new URL(script, import.meta.url));
      return start([process.execPath, file, String(site.port), String(site.upstreamPort)], {
        cpu: site.cpu,
        cwd: process.cwd(),
        env: { NODE_ENV: 'production' },
        log: join(site.directory, 'output.log'),
      });
    },
  };
}

export const fastifyProxy = node('@fastify/http-proxy', './fastify-server.ts');
export const nodeUndici = node('node:http + undici', './undici-server.ts');
