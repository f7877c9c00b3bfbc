/** A program on the configuration of the change scenario, with one backend, cleaned up at the end of a test. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { ChangingFiles } from '../soak/change-files.ts';
import { TestBackend } from './backends.ts';
import { Program, type ProgramOptions } from './program.ts';
import { freePort } from './raw.ts';

export interface Running {
  readonly program: Program;
  readonly backend: TestBackend;
  readonly files: ChangingFiles;
  readonly port: number;
}

/** `limit`: requests a year for each `x-api-key` on `/limited`; `backendPort`: of another backend than the usual one. */
export async function startRunning(
  t: TestContext,
  limit: number,
  options: ProgramOptions = {},
  backendPort: number | null = null,
): Promise<Running> {
  const directory = mkdtempSync(join(tmpdir(), 'weir-e2e-'));
  const backend = await TestBackend.start('a');
  const [port, second, kong] = [await freePort(), await freePort(), await freePort()];
  const to = backendPort ?? backend.port;
  const files = new ChangingFiles(directory, { main: port, second, a: to, b: to, b2: to }, limit, 10);
  const program = await Program.start(directory, { ...options, args: ['--map-port', `8000:${kong}`, ...(options.args ?? [])] });
  t.after(async () => {
    await program.kill();
    backend.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return { program, backend, files, port };
}
