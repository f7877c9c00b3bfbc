import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { RawBackend, type BackendConnection } from './raw.ts';
import { clusterOf, Rig, routeTo, snapshotOf, type RigOptions } from './rig.ts';

type OnConnection = (connection: BackendConnection, index: number) => void;

/** A rig in front of one raw backend; asserts at the end that no guard caught a bug. */
export async function proxied(
  t: TestContext,
  onConnection: OnConnection,
  options: RigOptions = {},
): Promise<{ rig: Rig; backend: RawBackend; port: number }> {
  const backend = await RawBackend.start(onConnection);
  const rig = await Rig.start((port) => snapshotOf(port, [routeTo('b')], [clusterOf('b', [backend.port])], options), options);
  t.after(async () => {
    await rig.close();
    backend.close();
    assert.deepEqual(rig.faults, [], 'no bug was caught by a guard');
  });
  return { rig, backend, port: rig.port };
}

export const hello = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello';
export const body = (text: string): string => text.slice(text.indexOf('\r\n\r\n') + 4);
