/** Header injection, host confusion, hop-by-hop abuse and path confusion, class by class: docs/reference/hostile-input.md. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { headers } from './hostile/headers.ts';
import { paths, readings } from './hostile/paths.ts';
import { runClasses } from './hostile/run.ts';

await test('the readings of a path are those of lenient servers', () => {
  for (const path of ['/a/..;/admin', '/a/%2e%2e/admin', '/x\\..\\admin', '//admin', '/admin%00x', '/a//../admin;y']) {
    assert.ok(
      readings(path).some((one) => one.startsWith('/admin')),
      path,
    );
  }
  assert.ok(!readings('/a/b?x=/../admin').some((one) => one.startsWith('/admin')));
});

await runClasses('header injection and host confusion over HTTP/1.1', headers);
await runClasses('path confusion over HTTP/1.1', paths);
