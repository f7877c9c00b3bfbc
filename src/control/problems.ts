import { diagnose } from '../analysis/messages.ts';
import type { Diagnostic } from '../model/diagnostic.ts';

const nowhere = { file: '', line: 0, column: 0 };

/** A worker could not bind or build a listener. */
export function listenerFailed(worker: number, listener: string, reason: string): Diagnostic {
  return diagnose('WR0705', nowhere, null, `worker ${worker} could not take listener ${listener}: ${reason}`, {
    hint: 'Another process may have taken the port since it was checked; the other workers serve it meanwhile.',
  });
}

export function workerDied(worker: number, reason: string): Diagnostic {
  return diagnose('WR0706', nowhere, null, `data worker ${worker} died and was replaced: ${firstLine(reason)}`, {
    hint: 'This is a bug in Weir. The log has the whole message; report it with what was served at that time.',
  });
}

/** The compile worker failed; what served before stays. */
export function compilationFailed(reason: string): Diagnostic {
  return diagnose('WR0707', nowhere, null, `the configuration could not be compiled, what served before stays: ${firstLine(reason)}`, {
    hint: 'This is a bug in Weir. Undo the last edit, and report the message with the file.',
  });
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0] ?? '';
}
