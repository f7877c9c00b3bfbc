/** Contenders of the rows beyond plain HTTP/1.1: TLS, HTTP/2, gRPC, WebSocket and TCP. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { start } from '../process.ts';
import { certificate } from './certificate.ts';
import type { Contender, Site } from './contender.ts';
import { launch, temporary } from './nginx.ts';
import { asYaml, weir } from './weir.ts';

/** What stands behind the gateway: HTTP/1.1, HTTP/2 without TLS, or bytes. */
type Behind = 'http' | 'http2' | 'tcp';

function weirConfig(site: Site, server: object, behind: Behind): string {
  const protocol = { http: 'HTTP', http2: 'GRPC', tcp: 'TCP' }[behind];
  const destination = { destination: { host: 'upstream.example', port: { number: 80 } } };
  const rules = behind === 'tcp' ? { tcp: [{ route: [destination] }] } : { http: [{ name: 'all', route: [destination] }] };
  const { certificate: crt, key } = certificate(site.directory);
  const kind = 'networking.istio.io/v1';
  return asYaml([
    { apiVersion: kind, kind: 'Gateway', metadata: { name: 'bench' }, spec: { servers: [{ bind: '127.0.0.1', hosts: ['*'], ...server }] } },
    { apiVersion: kind, kind: 'VirtualService', metadata: { name: 'bench' }, spec: { hosts: ['*'], gateways: ['bench'], ...rules } },
    {
      apiVersion: kind,
      kind: 'ServiceEntry',
      metadata: { name: 'upstream' },
      spec: {
        hosts: ['upstream.example'],
        ports: [{ number: 80, name: protocol.toLowerCase(), protocol, targetPort: site.upstreamPort }],
        resolution: 'STATIC',
        endpoints: [{ address: '127.0.0.1' }],
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'bench' },
      type: 'kubernetes.io/tls',
      stringData: { 'tls.crt': crt, 'tls.key': key },
    },
  ]);
}

function weirServer(name: string, adminPort: number, server: (site: Site) => object, behind: Behind): Contender {
  return weir({ name, adminPort, log: null, config: (site) => weirConfig(site, server(site), behind) });
}

const https = (site: Site): object => ({
  port: { number: site.port, name: 'https', protocol: 'HTTPS' },
  tls: { mode: 'SIMPLE', credentialName: 'bench' },
});

/** HTTPS in front of HTTP/1.1. */
export const weirTlsConfig = (site: Site): string => weirConfig(site, https(site), 'http');

export const weirTls = weirServer('Weir (metrics on)', 29_911, https, 'http');
export const weirGrpc = weirServer(
  'Weir (metrics on)',
  29_912,
  (site) => ({ port: { number: site.port, name: 'grpc', protocol: 'GRPC' } }),
  'http2',
);
export const weirTcp = weirServer(
  'Weir (metrics on)',
  29_913,
  (site) => ({ port: { number: site.port, name: 'tcp', protocol: 'TCP' } }),
  'tcp',
);
export const weirWebSocket = weirServer(
  'Weir (metrics on)',
  29_914,
  (site) => ({ port: { number: site.port, name: 'http', protocol: 'HTTP' } }),
  'http',
);

function nginx(name: string, http: (site: Site) => string, module = ''): Contender {
  return {
    name,
    program: 'nginx',
    headers: [],
    start: (site) =>
      launch(
        site,
        `${module === '' ? '' : `load_module /usr/lib/nginx/modules/${module};\n`}worker_processes 1;
worker_rlimit_nofile 20000;
events { worker_connections 16384; }
${http(site)}`,
      ),
  };
}

const proxied = `proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Request-Id $request_id;`;

function nginxHttp(site: Site, listen: string, location: string): string {
  const { certificateFile, keyFile } = certificate(site.directory);
  return `http {
  ${temporary(site)}
  access_log off;
  keepalive_requests 1000000000;
  ssl_certificate ${certificateFile};
  ssl_certificate_key ${keyFile};
  upstream backend { server 127.0.0.1:${site.upstreamPort}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${site.port} ${listen} backlog=4096;
    location / {
      ${location}
    }
  }
}`;
}

export const nginxTls = nginx('nginx', (site) => nginxHttp(site, 'ssl http2', proxied));
export const nginxGrpc = nginx('nginx', (site) => nginxHttp(site, 'http2', 'grpc_pass grpc://backend;'));
export const nginxWebSocket = nginx('nginx', (site) =>
  nginxHttp(
    site,
    '',
    `proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";`,
  ),
);
export const nginxStream = nginx(
  'nginx stream, 64k buffers',
  (site) => `stream {
  server {
    listen 127.0.0.1:${site.port} backlog=4096;
    proxy_buffer_size 64k;
    proxy_pass 127.0.0.1:${site.upstreamPort};
  }
}`,
  'ngx_stream_module.so',
);

function haproxy(name: string, mode: 'http' | 'tcp', bind: (site: Site) => string, server: string, global = ''): Contender {
  return {
    name,
    program: 'haproxy',
    headers: [],
    start(site) {
      const file = join(site.directory, 'haproxy.cfg');
      const http = mode === 'tcp' ? '' : 'option forwardfor\n  http-reuse always';
      writeFileSync(
        file,
        `global
  nbthread 1
  maxconn 8000
  ${global}
defaults
  mode ${mode}
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  timeout http-keep-alive 60s
  timeout tunnel 60s
  ${http}
frontend in
  bind 127.0.0.1:${site.port} backlog 4096 ${bind(site)}
  default_backend out
backend out
  server one 127.0.0.1:${site.upstreamPort} ${server}
`,
      );
      return start(['haproxy', '-db', '-f', file], { cpu: site.cpu, cwd: site.directory, log: join(site.directory, 'output.log') });
    },
  };
}

export const haproxyTls = haproxy('HAProxy', 'http', (site) => `ssl crt ${certificate(site.directory).bothFile} alpn h2,http/1.1`, '');
export const haproxyGrpc = haproxy('HAProxy', 'http', () => 'proto h2', 'proto h2');
export const haproxyWebSocket = haproxy('HAProxy', 'http', () => '', '');
export const haproxyTcp = haproxy('HAProxy, 64k buffers', 'tcp', () => '', '', 'tune.bufsize 65536');
