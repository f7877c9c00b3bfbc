import type { Condition, ResourceStatus } from '../../model/snapshot.ts';

/** Gateway API's conditions for listeners that this machine did not let be bound. */
export function withUnprogrammed(
  resources: readonly ResourceStatus[],
  unprogrammed: ReadonlyMap<string, string>,
): readonly ResourceStatus[] {
  return resources.map((resource) => {
    const touched = resource.listeners.some(({ listener }) => listener !== null && unprogrammed.has(listener));
    if (!touched) return resource;
    const listeners = resource.listeners.map((entry) => {
      const reason = entry.listener === null ? undefined : unprogrammed.get(entry.listener);
      return reason === undefined
        ? entry
        : { ...entry, conditions: replace(entry.conditions, { type: 'Programmed', status: 'False', reason: 'Invalid', message: reason }) };
    });
    const any = listeners.some(({ conditions }) => conditions.some(({ type, status }) => type === 'Programmed' && status === 'True'));
    const message = any ? 'some listeners could not be bound' : 'no listener could be bound';
    return {
      ...resource,
      listeners,
      conditions: replace(resource.conditions, {
        type: 'Programmed',
        status: any ? 'True' : 'False',
        reason: any ? 'Programmed' : 'Invalid',
        message,
      }),
    };
  });
}

function replace(conditions: readonly Condition[], by: Condition): readonly Condition[] {
  return [...conditions.filter(({ type }) => type !== by.type), by];
}
