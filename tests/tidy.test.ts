/** The rules of the house as a test (ARCHITECTURE.md tells why each is there). */
import assert from 'node:assert/strict';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { messages } from '../src/analysis/messages.ts';
import { filters } from '../src/filters/index.ts';
import { stages } from '../src/proxy/pipeline.ts';
import { metricNames } from '../src/telemetry/metric-names.ts';
import { home, importsOf, readSources, type Source } from './support/sources.ts';

const everything = readSources('src', 'tests', 'scripts', 'bench');
const sources = everything.filter((source) => source.path.startsWith('src/') && !source.path.endsWith('.test.ts'));

/** What each layer may import beside itself. Anything else points the wrong way. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  base: [],
  model: ['base'],
  decide: ['base', 'model'],
  analysis: ['base', 'model', 'decide'],
  telemetry: ['base', 'model', 'decide'],
  filters: ['base', 'model', 'decide', 'telemetry'],
  dialects: ['base', 'model', 'decide', 'analysis', 'filters'],
  proxy: ['base', 'model', 'decide', 'analysis', 'filters', 'telemetry', 'dialects'],
  control: ['base', 'model', 'decide', 'analysis', 'filters', 'telemetry', 'dialects'],
  client: ['base', 'model', 'decide', 'analysis', 'filters', 'telemetry', 'dialects'],
  cli: ['base', 'model', 'decide', 'analysis', 'filters', 'telemetry', 'dialects', 'proxy', 'control', 'client'],
};

function layerOf(path: string): string | null {
  return /^src\/([^/]+)\//.exec(path)?.[1] ?? null;
}

/** Problems of one import, as `file → target: why`. */
function directionProblems(source: Source): readonly string[] {
  const layer = layerOf(source.path);
  if (layer === null) return [];
  const problems: string[] = [];
  for (const { to, typeOnly } of source.imports) {
    const target = layerOf(to);
    const say = (why: string): void => void problems.push(`${source.path} → ${to}: ${why}`);
    if (layer === 'base' && target === null && !to.startsWith('node:')) say('base uses Node built-ins only');
    if (target === null) {
      if (to.startsWith('tests/') || to.startsWith('bench/') || to.startsWith('scripts/'))
        say('the program does not import its tests or tools');
      continue;
    }
    if (target === layer) {
      if (layer === 'filters' && folderOf(source.path) !== null && folderOf(to) !== null && folderOf(source.path) !== folderOf(to))
        say('a filter never imports another filter');
      continue;
    }
    if (!(mayImport[layer] ?? []).includes(target)) say(`${layer} may import ${(mayImport[layer] ?? []).join(', ') || 'nothing'}`);
    if (layer === 'dialects' && target === 'filters' && !typeOnly && to.endsWith('/filter.ts'))
      say('a dialect imports filter schemas, never filter runtimes');
  }
  return problems;
}

function folderOf(path: string): string | null {
  return /^src\/filters\/([^/]+)\//.exec(path)?.[1] ?? null;
}

/** Cycles of imports that exist at run time, each as a list of files. */
function cycles(list: readonly Source[]): readonly string[] {
  const byPath = new Map(list.map((source) => [source.path, source]));
  const state = new Map<string, 'open' | 'done'>();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'done') return;
    if (state.get(path) === 'open') return void found.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
    state.set(path, 'open');
    for (const { to, typeOnly } of byPath.get(path)?.imports ?? []) if (!typeOnly && byPath.has(to)) visit(to, [...trail, path]);
    state.set(path, 'done');
  };
  for (const { path } of list) visit(path, []);
  return found;
}

function file(path: string, text: string): Source {
  return { path, text, lines: text.split('\n').length - 1, imports: importsOf(path, text) };
}

describe('the rules themselves', () => {
  it('see an import of the wrong direction', () => {
    assert.equal(directionProblems(file('src/model/a.ts', "import { b } from '../proxy/b.ts';\n")).length, 1);
    assert.equal(directionProblems(file('src/proxy/a.ts', "import type { B } from '../control/b.ts';\n")).length, 1);
    assert.equal(directionProblems(file('src/filters/a/filter.ts', "import { b } from '../b/filter.ts';\n")).length, 1);
    assert.equal(directionProblems(file('src/dialects/x/a.ts', "import {\n  b,\n} from '../../filters/b/filter.ts';\n")).length, 1);
    assert.equal(directionProblems(file('src/dialects/x/a.ts', "import { b } from '../../filters/b/schema.ts';\n")).length, 0);
    assert.equal(directionProblems(file('src/base/a.ts', "import { z } from 'zod';\n")).length, 1);
  });

  it('see a cycle of values and none of types', () => {
    const a = file('src/base/a.ts', "import { b } from './b.ts';\n");
    assert.equal(cycles([a, file('src/base/b.ts', "export { a } from './a.ts';\n")]).length, 1);
    assert.equal(cycles([a, file('src/base/b.ts', "import { type A } from './a.ts';\n")]).length, 0);
  });
});

describe('source files', () => {
  it('import in one direction', () => assert.deepEqual(sources.flatMap(directionProblems), []));

  it('belong to a layer', () => {
    const layers = new Set(sources.map((source) => layerOf(source.path)));
    for (const layer of layers) assert.ok(layer !== null && Object.hasOwn(mayImport, layer), `src/${layer} is not a layer`);
  });

  it('have no import cycles', () => assert.deepEqual(cycles(everything), []));

  it('are at most 500 lines', () => {
    assert.deepEqual(
      everything.filter((source) => source.lines > 500).map((source) => `${source.path}: ${source.lines}`),
      [],
    );
  });

  it('export by name', () => {
    assert.deepEqual(
      everything.filter((source) => /^export default\b/m.test(source.text)).map((source) => source.path),
      [],
    );
  });

  it('hold nothing back and silence nobody', () => {
    const forbidden: readonly (readonly [string, RegExp])[] = [
      ['a note of work left over', new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK'].join('|')})\\b`)],
      ['a silenced compiler', new RegExp('@ts-' + '(ignore|expect-error|nocheck)')],
      ['a cast to any', new RegExp('\\bas ' + '(any|never|unknown as)\\b')],
      ['a path of one machine', new RegExp('["\'`(\\s]/(work|home|root)' + '/[a-z]')],
    ];
    const problems = everything.flatMap((source) =>
      forbidden.filter(([, pattern]) => pattern.test(source.text)).map(([what]) => `${source.path}: ${what}`),
    );
    assert.deepEqual(problems, []);
  });

  it('documents and scripts name no machine either', () => {
    const files = globSync(['*.md', 'docs/**/*.md', 'examples/**/*', '.ci/*', 'bin/*', 'package.json'], { cwd: home }).filter((path) =>
      /\.[a-z]+$|^\.ci|^bin/.test(path),
    );
    const problems = files.filter((path) => /["'`(\s]\/(work|root)\/[a-z]/.test(readFileSync(join(home, path), 'utf8')));
    assert.deepEqual(problems, []);
  });
});

describe('documents', () => {
  it('link to what exists, anchors too', () => {
    const anchors = (path: string): readonly string[] =>
      [...readFileSync(path, 'utf8').matchAll(/^#+ (.*)$/gm)].map((match) =>
        match[1]
          .toLowerCase()
          .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
          .replaceAll(' ', '-'),
      );
    const problems: string[] = [];
    for (const path of globSync(['*.md', 'docs/**/*.md', 'src/**/*.md', 'tests/**/*.md'], { cwd: home })) {
      for (const [, target] of readFileSync(join(home, path), 'utf8').matchAll(/\]\(([^)\s]+)\)/g)) {
        // Written by `npm run bench`, on a machine that has the peers.
        if (/^[a-z]+:/.test(target) || target === 'bench/RESULTS.md') continue;
        const [file, anchor] = target.split('#');
        const to = file === '' ? join(home, path) : join(home, dirname(path), file);
        if (!existsSync(to)) problems.push(`${path}: ${target} does not exist`);
        else if (anchor !== undefined && !anchors(to).includes(anchor)) problems.push(`${path}: ${target} has no such heading`);
      }
    }
    assert.deepEqual(problems, []);
  });
});

describe('filters', () => {
  it('are whole: schema, runtime, documentation and test in one folder', () => {
    const folders = readdirSync(join(home, 'src/filters'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    for (const { name } of folders) {
      for (const part of ['schema.ts', 'filter.ts', 'README.md', 'filter.test.ts'])
        assert.ok(existsSync(join(home, 'src/filters', name, part)), `src/filters/${name} lacks ${part}`);
    }
    assert.deepEqual(filters.map((filter) => filter.name).sort(), folders.map((folder) => folder.name).sort());
  });
});

describe('diagnostics', () => {
  it('have codes of their range, each once', () => {
    const texts = sources.filter((source) => source.path.startsWith('src/analysis/messages/'));
    const codes = texts.flatMap((source) => [...source.text.matchAll(/^ {2}(WR\d{4}):/gm)].map((match) => match[1]));
    assert.equal(new Set(codes).size, codes.length, 'a code stands twice');
    assert.equal(codes.length, Object.keys(messages).length);
  });

  it('appear in a test each', () => {
    const tests = [
      ...everything.filter((source) => source.path.endsWith('.test.ts')).map((source) => source.text),
      ...globSync('src/**/testdata/**/*', { cwd: home, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8')),
    ].join('\n');
    assert.deepEqual(
      Object.keys(messages).filter((code) => !tests.includes(code)),
      [],
    );
  });
});

describe('metrics', () => {
  it('are counted somewhere each', () => {
    const code = sources
      .filter((source) => source.path !== 'src/telemetry/metric-names.ts')
      .map((source) => source.text)
      .join('\n');
    assert.deepEqual(
      Object.keys(metricNames).filter((name) => !code.includes(`'${name}'`)),
      [],
    );
  });
});

describe('ARCHITECTURE.md', () => {
  it('names the stages of a request as the pipeline does, in its order', () => {
    const text = readFileSync(join(home, 'ARCHITECTURE.md'), 'utf8');
    const section = /## Life of a request\n([\s\S]*?)\n## /.exec(text)?.[1] ?? '';
    const listed = [...section.matchAll(/^\d+\. \*\*([a-z-]+)\*\*/gm)].map((match) => match[1]);
    assert.deepEqual(listed, [...stages]);
  });
});
