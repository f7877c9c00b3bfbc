import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { start } from '../process.ts';
import { apiKey, type Contender, type Site } from './contender.ts';

interface Variant {
  readonly name: string;
  readonly modules?: readonly string[];
  /** Directives inside http. */
  readonly http: string;
  /** Directives inside the location. */
  readonly location?: string;
  readonly headers?: readonly string[];
}

/** nginx as a proxy: keep-alive to the upstream, Host kept, the usual forwarding headers; all the rest is the distribution's default. */
function nginx(variant: Variant): Contender {
  return {
    name: variant.name,
    program: 'nginx',
    headers: variant.headers ?? [],
    start(site) {
      return launch(
        site,
        `${(variant.modules ?? []).map((module) => `load_module /usr/lib/nginx/modules/${module};`).join('\n')}
worker_processes 1;
worker_rlimit_nofile 20000;
events { worker_connections 16384; }
http {
  ${temporary(site)}
  keepalive_requests 1000000000;
  ${variant.http.replaceAll('@DIR@', site.directory)}
  upstream backend { server 127.0.0.1:${site.upstreamPort}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${site.port} backlog=4096;
    location / {
      ${variant.location ?? ''}
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Request-Id $request_id;
    }
  }
}`,
      );
    },
  };
}

export function temporary(site: Site): string {
  return ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((kind) => `${kind}_temp_path ${join(site.directory, kind)};`)
    .join('\n  ');
}

export function launch(site: Site, config: string): ReturnType<typeof start> {
  const file = join(site.directory, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off;\npid ${join(site.directory, 'nginx.pid')};\nerror_log ${join(site.directory, 'error.log')} warn;\n${config}`,
  );
  return start(['nginx', '-p', site.directory, '-e', join(site.directory, 'error.log'), '-c', file], {
    cpu: site.cpu,
    cwd: site.directory,
    log: join(site.directory, 'output.log'),
  });
}

const accessLog = 'access_log @DIR@/access.log combined;';

export const nginxPlain = nginx({ name: 'nginx', http: 'access_log off;' });

export const nginxLog = nginx({ name: 'nginx + access_log', http: accessLog });

export const nginxLogBuffered = nginx({
  name: 'nginx + access_log, buffered 64k',
  http: 'access_log @DIR@/access.log combined buffer=64k flush=1s;',
});

export const nginxLogLimit = nginx({
  name: 'nginx + access_log + limit_req',
  http: `${accessLog} limit_req_zone $binary_remote_addr zone=all:10m rate=1000000r/s;`,
  location: 'limit_req zone=all burst=1000000 nodelay;',
});

export const nginxLargeBuffers = nginx({
  name: 'nginx, 16 × 64k buffers',
  http: 'access_log off; proxy_buffers 16 64k; proxy_buffer_size 64k; proxy_busy_buffers_size 512k; proxy_max_temp_file_size 0;',
});

/**
 * API key looked up in a table, a fixed window in shared memory, counters and a histogram, and the headers that Kong (and so
 * Weir on a Kong document) adds for upstream and client: both do the same job.
 */
export const nginxLua = nginx({
  name: 'nginx + lua: key, limit, counters, access_log',
  modules: ['ndk_http_module.so', 'ngx_http_lua_module.so'],
  headers: [`apikey: ${apiKey}`],
  http: `${accessLog}
  lua_shared_dict windows 10m;
  lua_shared_dict counters 10m;
  init_by_lua_block {
    consumers = {}
    for i = 1, 1000 do consumers["key-" .. i] = "consumer-" .. i end
    consumers["${apiKey}"] = "bench"
  }
  log_by_lua_block {
    local counters = ngx.shared.counters
    counters:incr("requests_" .. ngx.var.status, 1, 0)
    local bucket = math.floor(math.log((tonumber(ngx.var.request_time) or 0) * 1000 + 1) / math.log(2))
    counters:incr("duration_" .. bucket, 1, 0)
  }`,
  location: `access_by_lua_block {
        local key = ngx.var.http_apikey
        if not key then ngx.header["WWW-Authenticate"] = "Key"; return ngx.exit(401) end
        local consumer = consumers[key]
        if not consumer then return ngx.exit(401) end
        ngx.req.set_header("X-Consumer-ID", "a780f1cb-93fd-546b-8e57-92a5641711b9")
        ngx.req.set_header("X-Consumer-Username", consumer)
        ngx.req.set_header("X-Credential-Identifier", "724be988-9098-5f67-8fc7-a220a926a691")
        ngx.req.clear_header("apikey")
        local limit, now = 1000000000, ngx.time()
        local used = ngx.shared.windows:incr(consumer .. ":" .. math.floor(now / 60), 1, 0, 120)
        ngx.header["X-RateLimit-Limit-Minute"] = limit
        ngx.header["X-RateLimit-Remaining-Minute"] = limit - used
        ngx.header["RateLimit-Limit"] = limit
        ngx.header["RateLimit-Remaining"] = limit - used
        ngx.header["RateLimit-Reset"] = 60 - now % 60
        if used > limit then return ngx.exit(429) end
      }
      header_filter_by_lua_block {
        ngx.header["Via"] = "1.1 nginx"
        ngx.header["X-Kong-Upstream-Latency"] = math.floor((tonumber(ngx.var.upstream_header_time) or 0) * 1000)
        ngx.header["X-Kong-Proxy-Latency"] = math.floor((ngx.now() - ngx.req.start_time()) * 1000)
        ngx.header["X-Kong-Request-Id"] = ngx.var.request_id
      }
      proxy_set_header X-Forwarded-Host $host;
      proxy_set_header X-Forwarded-Port $server_port;
      proxy_set_header X-Forwarded-Path $request_uri;
      proxy_set_header X-Real-IP $remote_addr;`,
});

/** The upstream of every row: /1k and /1m are files of 1 KiB and 1 MiB, sent as nginx sends files: head and body apart; anything else is 1 KiB written with its head, as application servers do. */
export function startUpstream(site: Site): ReturnType<typeof start> {
  const root = join(site.directory, 'root');
  mkdirSync(root);
  writeFileSync(join(root, '1k'), Buffer.alloc(1024, 'k'));
  writeFileSync(join(root, '1m'), Buffer.alloc(1024 * 1024, 'm'));
  return launch(
    site,
    `worker_processes 1;
worker_rlimit_nofile 20000;
events { worker_connections 16384; }
http {
  ${temporary(site)}
  access_log off;
  sendfile on;
  tcp_nodelay on;
  open_file_cache max=16;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  server {
    listen 127.0.0.1:${site.port} backlog=4096;
    root ${root};
    location = /1k { }
    location = /1m { }
    location / { return 200 "${'k'.repeat(1024)}"; }
  }
}`,
  );
}

/** The upstream of the gRPC row: HTTP/2 without TLS, 1 KiB with a trailer. */
export function startHttp2Upstream(site: Site): ReturnType<typeof start> {
  return launch(
    site,
    `worker_processes 1;
worker_rlimit_nofile 20000;
events { worker_connections 16384; }
http {
  ${temporary(site)}
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  server {
    listen 127.0.0.1:${site.port} http2 backlog=4096;
    location / {
      default_type application/grpc;
      add_trailer grpc-status 0;
      return 200 "${'k'.repeat(1024)}";
    }
  }
}`,
  );
}
