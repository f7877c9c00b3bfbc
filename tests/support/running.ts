/** A program on the configuration of the change scenario, with one backend, cleaned up at the end of a test. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { ChangingFiles } from '../soak/change-files.ts';
import { TestBackend } from './backends.ts';
import { Program, type ProgramOptions } from './program.ts';
import { freePort } from './ports.ts';

export interface Running {
  readonly program: Program;
  readonly backend: TestBackend;
  readonly files: ChangingFiles;
  readonly port: number;
  readonly close: () => Promise<void>;
}

/** As `startProgram`, closed at the end of the test. */
export async function startRunning(
  t: TestContext,
  limit: number,
  options: ProgramOptions = {},
  backendPort: number | null = null,
): Promise<Running> {
  const running = await startProgram(limit, options, backendPort);
  t.after(() => running.close());
  return running;
}

/** `limit`: requests a year for each `x-api-key` on `/limited`; `backendPort`: of another backend than the usual one. */
export async function startProgram(limit: number, options: ProgramOptions = {}, backendPort: number | null = null): Promise<Running> {
  const directory = mkdtempSync(join(tmpdir(), 'weir-e2e-'));
  const backend = await TestBackend.start('a');
  const [port, second, kong] = [await freePort(), await freePort(), await freePort()];
  const to = backendPort ?? backend.port;
  const files = new ChangingFiles(directory, { main: port, second, a: to, b: to, b2: to }, limit, 10);
  const program = await Program.start(directory, { ...options, args: ['--map-port', `8000:${kong}`, ...(options.args ?? [])] });
  const close = async (): Promise<void> => {
    await program.kill();
    backend.close();
    rmSync(directory, { recursive: true, force: true });
  };
  return { program, backend, files, port, close };
}
