import type { MessageSpec } from '../messages.ts';

/** 01: reading files and checking documents against their schemas. Shared by every dialect. */
export const loadMessages = {
  WR0101: {
    severity: 'error',
    title: 'File is not valid YAML or JSON',
    explanation: 'The text cannot be parsed. What the file held when it last parsed stays in force.',
  },
  WR0102: { severity: 'error', title: 'File cannot be read', explanation: 'The file or directory does not exist or may not be read.' },
  WR0103: {
    severity: 'error',
    title: 'Document of no known kind',
    explanation: 'No dialect recognises the document header (`apiVersion` and `kind`, `_format_version`, `openapi`).',
  },
  WR0104: {
    severity: 'error',
    title: 'Unknown field',
    explanation: 'The field is not part of the kind. Unknown fields are never dropped silently.',
  },
  WR0105: { severity: 'error', title: 'Wrong type or value', explanation: 'The value is not what the schema of the field allows.' },
  WR0106: { severity: 'error', title: 'Required field is missing', explanation: 'A field that the kind requires is absent.' },
  WR0107: {
    severity: 'error',
    title: 'Two documents of the same identity',
    explanation: 'Two documents have the same kind, namespace and name. The first one counts.',
  },
  WR0108: {
    severity: 'warning',
    title: 'Field does not run yet',
    explanation: 'The field is understood and has no effect in this version. `weir explain` shows it.',
  },
  WR0109: {
    severity: 'error',
    title: 'Field that restricts access does not run yet',
    explanation: 'The field is understood and has no effect in this version. As it restricts access, the routes in its scope answer 503.',
  },
  WR0110: {
    severity: 'warning',
    title: 'Deprecated field or version',
    explanation: 'The field or apiVersion is retired upstream. It is honoured as its successor where there is one.',
  },
  WR0111: {
    severity: 'error',
    title: 'Regular expression is not valid RE2',
    explanation: 'Regular expressions are RE2 syntax; look-around and back-references do not exist there.',
  },
} as const satisfies Readonly<Record<string, MessageSpec>>;
