/** Servers from Debian as upstreams of a test: their own directory, their own port, gone with the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

export interface Daemon {
  readonly child: ChildProcess;
  readonly dir: string;
  /** What it said on both outputs so far. */
  said(): string;
  /** Resolves once `enough` holds for what it said; rejects when it ends before. */
  until(enough: (said: string) => boolean): Promise<void>;
}

/** Starts a program and resolves when it has said `ready`. */
export async function daemon(
  t: TestContext,
  command: string,
  args: (dir: string) => readonly string[],
  ready: RegExp,
  files: Readonly<Record<string, (dir: string) => string>> = {},
): Promise<Daemon> {
  const dir = mkdtempSync(join(tmpdir(), 'weir-daemon-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text(dir));
  const child = spawn(command, args(dir), { cwd: dir, stdio: ['pipe', 'pipe', 'pipe'] });
  let text = '';
  let ended = false;
  const waiting = new Set<() => void>();
  const hear = (part: string): void => {
    text += part;
    for (const check of waiting) check();
  };
  child.stdout.setEncoding('utf8').on('data', hear);
  child.stderr.setEncoding('utf8').on('data', hear);
  child.once('close', () => {
    ended = true;
    hear('');
  });
  t.after(async () => {
    if (!ended) {
      child.kill('SIGTERM');
      await once(child, 'close');
    }
    rmSync(dir, { recursive: true, force: true });
  });
  const until = (enough: (said: string) => boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        if (!enough(text) && !ended) return;
        waiting.delete(check);
        if (enough(text)) resolve();
        else reject(new Error(`${command} ended: ${text}`));
      };
      waiting.add(check);
      check();
    });
  const made: Daemon = { child, dir, said: () => text, until };
  await until((said) => ready.test(said));
  return made;
}

/** nginx in one process with these lines in `http {}`; `@dir@` stands for its directory. */
export function nginx(t: TestContext, http: string): Promise<Daemon> {
  const config = (dir: string): string => `
daemon off; master_process off; pid ${dir}/nginx.pid; error_log stderr notice;
events { worker_connections 512; }
http {
  access_log off; client_body_temp_path ${dir}/body; proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/f; uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s;
  ${http.replaceAll('@dir@', dir)}
}`;
  return daemon(
    t,
    'nginx',
    (dir) => ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', 'stderr'],
    /using the "epoll" event method|start worker/,
    { 'nginx.conf': config },
  );
}

/** HAProxy with this configuration. */
export function haproxy(t: TestContext, config: string): Promise<Daemon> {
  return daemon(t, 'haproxy', (dir) => ['-W', '-db', '-f', join(dir, 'haproxy.cfg')], /Loading success|New worker/, {
    'haproxy.cfg': () => config,
  });
}
