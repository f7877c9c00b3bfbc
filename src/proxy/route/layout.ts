/**
 * Layout of the two shared buffers of a compiled snapshot (model/events.ts FlatTables).
 *
 * `index` starts with a header of Int32 words: the magic, the layout version, then (position, length) of each section.
 * Sections hold Int32 words except `text` (UTF-16 code units). `pool` holds JSON texts in UTF-8, one after the other;
 * the offset sections have one word more than there are texts. Nothing here knows the fields of a route: a new field
 * changes a JSON text and no layout.
 */
export const magic = 0x57454952;
export const version = 2;

export const sections = [
  /** Records of `listenerWords`. */
  'listeners',
  /** Records of `virtualHostWords`. */
  'virtualHosts',
  /** Two words each: root of the case-sensitive trie and of the folded one; -1 for none. */
  'buckets',
  /** Records of `nodeWords`. */
  'nodes',
  /** Ids of match entries, ascending within a node's list. Ids follow rank within a virtual host. */
  'lists',
  /** Host look-up: records of `slotWords`, open addressing. */
  'hostSlots',
  /** Name look-up: pairs of (hash, number of the text + 1), open addressing. */
  'clusterSlots',
  'consumerSlots',
  'keySlots',
  'secretSlots',
  /** Route of each match entry. */
  'entryRoutes',
  /** Trie labels and host names, UTF-16. */
  'text',
  'listenerTexts',
  'virtualHostTexts',
  'entryTexts',
  'routeTexts',
  'clusterTexts',
  'consumerTexts',
  'secretTexts',
] as const;
export type SectionName = (typeof sections)[number];

/** A host table: start and mask of the exact, suffix and prefix slots (mask -1: none), then the value of `*` or -1. */
export const hostTableWords = 7;
/** Host table (values: virtual hosts), first virtual host, count. */
export const listenerWords = hostTableWords + 2;
/** Host table (values: buckets; `*`: entries for every host), first entry, count, listener. */
export const virtualHostWords = hostTableWords + 3;
/** hash, text position, text length, value + 1 (0: empty). */
export const slotWords = 4;
/** 0 label position, 1 label length, 2 first child, 3 children, 4 exact list, 5 its end and the prefix list, 6 its end, 7 first unit of the label. Children are neighbours, sorted by their first unit. */
export const nodeWords = 8;
export const headerWords = 2 + sections.length * 2;
