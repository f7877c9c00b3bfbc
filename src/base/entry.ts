/**
 * URL of a module that a worker thread is started with, beside the caller: `.ts` when the caller runs from source, `.js`
 * when it was built. (tsc rewrites import specifiers, not URLs.)
 */
export function entryBeside(importMetaUrl: string, nameWithoutExtension: string): URL {
  const extension = importMetaUrl.endsWith('.ts') ? 'ts' : 'js';
  return new URL(`${nameWithoutExtension}.${extension}`, importMetaUrl);
}
