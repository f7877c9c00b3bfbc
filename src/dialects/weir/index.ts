import { append } from '../../base/append.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { emptyFragment } from '../../model/snapshot.ts';
import type { Dialect } from '../dialect.ts';
import { kindTable } from '../kubernetes-kinds.ts';
import { listenerKind, policyKind, routeTestKind } from './kinds.ts';
import { serveRoutes, weirListeners } from './listeners.ts';
import { applyPolicies } from './policy.ts';

const table = kindTable('weir', [listenerKind, policyKind, routeTestKind]);

/**
 * Weir's own kinds. They bring no routes: a Listener opens a port for routes of other dialects, a Policy puts filters on
 * them, a RouteTest says where requests should go. So most of the work waits until every dialect has translated.
 */
export const weir: Dialect = {
  name: 'weir',
  recognises: table.recognises,
  read: table.read,
  translate(input) {
    const { diagnostics, ...fragment } = weirListeners(input);
    return { fragment: { ...emptyFragment, ...fragment }, diagnostics };
  },
  finish(snapshot, input) {
    const diagnostics: Diagnostic[] = [];
    const served = serveRoutes(snapshot, input);
    append(diagnostics, served.diagnostics);
    const applied = applyPolicies(served.snapshot, input);
    append(diagnostics, applied.diagnostics);
    return { snapshot: applied.snapshot, diagnostics };
  },
};
