import { isRecord } from '../check.ts';
import type { Dialect } from '../dialect.ts';
import { readDocument } from './read.ts';
import { translate } from './translate.ts';

/** Kong's declarative format 1.1, 2.1 and 3.0, with the semantics of Kong Gateway 3.9 in `traditional_compatible` flavour. */
export const kong: Dialect = {
  name: 'kong',
  recognises: (document) => isRecord(document.value) && Object.hasOwn(document.value, '_format_version'),
  read: readDocument,
  translate,
};
