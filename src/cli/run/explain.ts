import type { Compiled } from '../../dialects/compile.ts';

/** Answer to `POST /api/v1/explain`. */
export async function answerExplain(compiled: Compiled | null, _body: string): Promise<{ readonly status: number; readonly text: string }> {
  await Promise.resolve();
  if (compiled === null) return { status: 503, text: JSON.stringify({ error: 'no configuration serves yet' }) };
  return { status: 501, text: JSON.stringify({ error: 'not built yet' }) };
}
