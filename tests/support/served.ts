/** The real program on texts of configuration, cleaned up at the end of the test, and what curl says of it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { pemPath } from './pem.ts';
import { Program } from './program.ts';
import { runProgram } from './tls.ts';

/** `weir run` on files by name; the program ends with the test. */
export async function serve(t: TestContext, files: Readonly<Record<string, string>>, args: readonly string[] = []): Promise<Program> {
  const directory = mkdtempSync(join(tmpdir(), 'weir-served-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  const program = await Program.start(directory, { args });
  t.after(async () => {
    await program.kill();
    rmSync(directory, { recursive: true, force: true });
  });
  return program;
}

/**
 * `200 h2 body` as curl sees it, trusting the tests' authority; `curl N` with its exit code where there is no answer. The URL's
 * host leads to this machine.
 */
export async function curl(url: string, ...args: readonly string[]): Promise<string> {
  const common = ['-s', '-m', '8', '--connect-to', '::127.0.0.1:', '--cacert', pemPath('ca.crt'), '-w', '\n%{http_code} %{http_version}'];
  const { code, stdout } = await runProgram('curl', [...common, ...args, url]);
  if (code !== 0) return `curl ${code}`;
  const [status, ...body] = stdout.split('\n').toReversed();
  return `${status} ${body.toReversed().join('\n')}`.trim();
}

/** A connection of TLS by openssl: the certificate's subject and what came back for `text`; null where none was made. */
export async function openssl(
  port: number,
  serverName: string,
  text: string,
): Promise<{ readonly subject: string; readonly reply: string } | null> {
  const args = ['s_client', '-connect', `127.0.0.1:${port}`, '-servername', serverName, '-CAfile', pemPath('ca.crt'), '-ign_eof', '-brief'];
  const { stdout, stderr } = await runProgram('openssl', args, text);
  const subject = /^Peer certificate: (.*)$/m.exec(stderr)?.[1];
  return subject === undefined ? null : { subject, reply: stdout };
}
