/** Kong consumers with their groups and key-auth credentials. */
import { z } from 'zod';
import type { Consumer, ConsumerKey } from '../../model/consumer.ts';
import { lazily } from '../check.ts';
import type { Directory } from './directory.ts';
import { derivedId } from './identifier.ts';
import type { Report } from './report.ts';
import { consumerSchema } from './schemas.ts';

const keySchema = lazily(() => z.object({ sha256: z.string(), ttl: z.number().optional() }));
const groupSchema = lazily(() => z.object({ group: z.string() }));

export function translateConsumers(directory: Directory, report: Report): readonly Consumer[] {
  const groups = new Map<string, string[]>();
  const keys = new Map<string, ConsumerKey[]>();
  const append = <Value>(map: Map<string, Value[]>, id: string, value: Value): void => {
    const list = map.get(id);
    if (list === undefined) map.set(id, [value]);
    else list.push(value);
  };
  for (const { entity } of directory.all('ACL')) {
    const parsed = entity.fields === null ? null : groupSchema().safeParse(entity.fields);
    const owner = directory.find('Consumer', entity.refs.consumer ?? {});
    if (parsed?.success === true && owner !== null) append(groups, owner.entity.id, parsed.data.group);
  }
  const seen = new Set<string>();
  for (const { resource, entity } of directory.all('KeyAuthCredential')) {
    const parsed = entity.fields === null ? null : keySchema().safeParse(entity.fields);
    if (parsed === null || !parsed.success) continue;
    if (entity.refs.consumer === undefined) {
      report.add('WR0106', resource, [], 'a credential needs its consumer', 'write consumer: NAME, or nest the credential in its consumer');
      continue;
    }
    const owner = directory.find('Consumer', entity.refs.consumer);
    if (owner === null) continue;
    const { sha256, ttl } = parsed.data;
    if (ttl !== undefined && ttl > 0) {
      report.add(
        'WR0414',
        resource,
        ['ttl'],
        `the key of consumer '${owner.resource.name}' expires (ttl), which does not run yet: it is not accepted`,
        "remove 'ttl', and the key when its time is over",
      );
      continue;
    }
    if (seen.has(sha256)) {
      report.add(
        'WR0402',
        resource,
        ['key'],
        'another credential has the same key; the first one counts',
        'give each credential a key of its own',
      );
      continue;
    }
    seen.add(sha256);
    const given = entity.fields?.id;
    append(keys, owner.entity.id, {
      id: typeof given === 'string' ? given : derivedId('KeyAuthCredential', owner.entity.id, sha256),
      sha256,
    });
  }
  return directory.all('Consumer').flatMap(({ resource, entity }) => {
    const parsed = entity.fields === null ? null : consumerSchema().safeParse(entity.fields);
    if (parsed === null || !parsed.success) return [];
    const { username, custom_id: customId } = parsed.data;
    return [
      {
        id: entity.id,
        username: username ?? null,
        customId: customId ?? null,
        groups: groups.get(entity.id) ?? [],
        keys: keys.get(entity.id) ?? [],
        origin: resource.origin,
      },
    ];
  });
}
