/** What older documents write differently: fields of formats 1.1 and 2.1, and the `url` shorthand of services. */
import { diagnose } from '../../analysis/messages.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { fieldName, isRecord } from '../check.ts';
import { migratePath } from './paths.ts';
import type { FormatVersion } from './format.ts';
import type { ReferencePlace } from './references.ts';

/** Brings the fields of one entity to format 3.0. */
export function modernise(
  kind: string,
  fields: Record<string, unknown>,
  version: FormatVersion,
  at: ReferencePlace,
  diagnostics: Diagnostic[],
): void {
  if (kind === 'Service') spreadUrl(fields, at, diagnostics);
  if (version === '3.0') return;
  if (kind === 'Route' && Array.isArray(fields.paths)) {
    fields.paths = fields.paths.map((path: unknown, index) => {
      if (typeof path !== 'string' || path === '') return path;
      const migrated = migratePath(path);
      if (migrated.startsWith('~')) {
        const where = [...at.path, 'paths', index];
        diagnostics.push(
          diagnose(
            'WR0411',
            { file: at.document.file, ...at.document.locate(where) },
            at.resource,
            `${fieldName(where)} is taken as a regular expression`,
            {
              hint: `in _format_version "3.0" it is written "${migrated}"`,
            },
          ),
        );
      }
      return migrated;
    });
  }
  if (kind === 'Plugin') renamePluginFields(fields, at, diagnostics);
}

/** Kong: shorthand of `kong/db/schema/entities/services.lua`: 443 for https, else 80; the port may name the protocol. */
function spreadUrl(fields: Record<string, unknown>, at: ReferencePlace, diagnostics: Diagnostic[]): void {
  if (!Object.hasOwn(fields, 'url')) return;
  const { url } = fields;
  delete fields.url;
  const where = [...at.path, 'url'];
  const refuse = (message: string, hint: string): void => {
    diagnostics.push(
      diagnose('WR0105', { file: at.document.file, ...at.document.locate(where) }, at.resource, `${fieldName(where)}: ${message}`, {
        hint,
      }),
    );
    fields.host ??= 'invalid.localhost';
  };
  if (typeof url !== 'string') return refuse('must be of type string', 'write "http://host:port/path"');
  const match = /^([a-z][a-z0-9+.-]*):\/\/(?:[^@/?#]*@)?(\[[0-9a-fA-F:.]+\]|[^:/?#\s]+)(?::(\d{1,5}))?(\/[^?#\s]*)?([?#].*)?$/i.exec(url);
  if (match === null) return refuse('is not a URL with scheme and host', 'write "http://host:port/path"');
  const [, scheme = '', host = '', port, path, extra] = match;
  if (extra !== undefined) return refuse('has a query or a fragment, which a service cannot have', 'remove it');
  if (/^[^/]*:\/\/[^@/]*@/.test(url)) return refuse('has user information, which a service cannot have', 'remove it');
  const clash = ['protocol', 'host', 'port', 'path'].find((key) => Object.hasOwn(fields, key));
  if (clash !== undefined) return refuse(`stands beside '${clash}'`, `write either url or protocol, host, port and path`);
  fields.protocol = scheme.toLowerCase();
  fields.host = host.startsWith('[') ? host.slice(1, -1) : host;
  fields.port = port === undefined ? (fields.protocol === 'https' ? 443 : 80) : Number(port);
  if (path !== undefined) fields.path = path;
}

const renamed: Readonly<Record<string, string>> = { whitelist: 'allow', blacklist: 'deny' };

function renamePluginFields(fields: Record<string, unknown>, at: ReferencePlace, diagnostics: Diagnostic[]): void {
  const retire = (path: readonly (string | number)[], message: string, hint: string): void => {
    diagnostics.push(diagnose('WR0110', { file: at.document.file, ...at.document.locate(path, true) }, at.resource, message, { hint }));
  };
  if (fields.run_on === 'first' || fields.run_on === 'all') {
    delete fields.run_on;
    retire([...at.path, 'run_on'], "'run_on' is retired since Kong 2.0", "remove 'run_on'");
  }
  const { config, name } = fields;
  if (!isRecord(config) || (name !== 'acl' && name !== 'ip-restriction' && name !== 'bot-detection')) return;
  const moved: Record<string, unknown> = { ...config };
  for (const [before, after] of Object.entries(renamed)) {
    if (!Object.hasOwn(moved, before) || Object.hasOwn(moved, after)) continue;
    moved[after] = moved[before];
    delete moved[before];
    retire([...at.path, 'config', before], `'${before}' is called '${after}' since Kong 3.0`, `write '${after}'`);
  }
  fields.config = moved;
}
