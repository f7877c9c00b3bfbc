import { stringify } from 'yaml';

/** A configuration as a user writes it, and where its listeners are. */
export interface GeneratedConfig {
  readonly text: string;
  /** Port of the configuration that requests are sent to. */
  readonly port: number;
}

/** Documents of one YAML file. Fields that are undefined are left out, as a user would. */
export function yamlText(documents: readonly unknown[]): string {
  return documents.map((document) => stringify(JSON.parse(JSON.stringify(document)), { aliasDuplicateObjects: false })).join('---\n');
}
