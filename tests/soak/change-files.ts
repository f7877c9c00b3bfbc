/** The configuration that the change scenario keeps editing: real files, in the ways that people and machines replace them. */
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where `/moving` goes. */
export type Moving = 'a' | 'b' | 'both' | 'rewritten' | 'none';

export interface Ports {
  readonly main: number;
  /** Of the listener that comes and goes. */
  readonly second: number;
  readonly a: number;
  readonly b: number;
  readonly b2: number;
}

export class ChangingFiles {
  readonly directory: string;
  private readonly ports: Ports;
  private versions = 0;
  private edits = 0;

  constructor(directory: string, ports: Ports, limit: number, kongLimit: number) {
    this.directory = directory;
    this.ports = ports;
    mkdirSync(join(directory, 'mounted'), { recursive: true });
    this.gateway(false);
    this.services(false);
    this.routes('a');
    this.policy(limit, 'draft');
    this.kong(kongLimit, 'first');
    this.mounted('one');
  }

  private path(name: string): string {
    return join(this.directory, name);
  }

  /** As an editor with a safe save does: a new file takes the name of the old. */
  private replace(name: string, text: string): void {
    const next = this.path(`${name}.next~`);
    writeFileSync(next, text);
    renameSync(next, this.path(name));
  }

  gateway(withSecond: boolean): void {
    const server = (name: string, port: number): string =>
      `  - {port: {number: ${port}, name: ${name}, protocol: HTTP}, hosts: ["*"], bind: 127.0.0.1}\n`;
    this.replace(
      'gateway.yaml',
      `apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: public, namespace: default}\nspec:\n  servers:\n${server('main', this.ports.main)}${withSecond ? server('second', this.ports.second) : ''}`,
    );
  }

  /** `moved`: backend b runs elsewhere. */
  services(moved: boolean): void {
    const entry = (name: string, port: number): string =>
      `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: ${name}, namespace: default}\nspec:\n  hosts: [${name}.test]\n  ports: [{number: 80, name: http, protocol: HTTP}]\n  resolution: STATIC\n  endpoints: [{address: 127.0.0.1, ports: {http: ${port}}}]\n`;
    this.replace('services.yaml', `${entry('a', this.ports.a)}---\n${entry('b', moved ? this.ports.b2 : this.ports.b)}`);
  }

  /** Written in place, as most editors and every shell redirection do. */
  routes(moving: Moving, broken = false): void {
    const to = (name: string): string => `{destination: {host: ${name}.test, port: {number: 80}}`;
    const targets: Record<Moving, string> = {
      a: `    route: [${to('a')}}]\n`,
      b: `    route: [${to('b')}}]\n`,
      both: `    route: [${to('a')}, weight: 50}, ${to('b')}, weight: 50}]\n`,
      rewritten: `    rewrite: {uri: /rewritten}\n    route: [${to('a')}}]\n`,
      none: '    directResponse: {status: 404}\n',
    };
    writeFileSync(
      this.path('routes.yaml'),
      `# edit ${++this.edits}
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: default}
spec:
  hosts: ["load.test"]
  gateways: [public]
  http:
  - name: moving
    match: [{uri: {prefix: /moving}}]
${targets[moving]}  - name: limited
    match: [{uri: {prefix: /limited}}]
    route: [${to('a')}}]
  - name: stable
    match: [{uri: {prefix: /stable}}]
    route: [${to('a')}}]
${broken ? '   }} : [this is no YAML\n' : ''}`,
    );
  }

  policy(limit: number, headers: string): void {
    this.replace(
      'policy.yaml',
      `apiVersion: weir.dev/v1\nkind: Policy\nmetadata: {name: cap, namespace: default}\nspec:\n  targetRefs: [{kind: VirtualService, name: shop, sectionName: limited}]\n  filters:\n  - rateLimit: {limits: [{requests: ${limit}, per: year}], key: [{header: x-api-key}], headers: ${headers}}\n`,
    );
  }

  /** One limit by `x-api-key`, as written: `requests: 5, per: second`. */
  limit(limit: string): void {
    this.replace(
      'policy.yaml',
      `apiVersion: weir.dev/v1\nkind: Policy\nmetadata: {name: cap, namespace: default}\nspec:\n  targetRefs: [{kind: VirtualService, name: shop, sectionName: limited}]\n  filters:\n  - rateLimit: {limits: [{${limit}}], key: [{header: x-api-key}]}\n`,
    );
  }

  kong(limit: number, tag: string): void {
    this.replace(
      'kong.yaml',
      `_format_version: "3.0"\nservices:\n- name: partners\n  tags: [${tag}]\n  url: http://127.0.0.1:${this.ports.a}\n  routes:\n  - name: partners\n    paths: [/stable]\n    strip_path: false\n    plugins:\n    - name: rate-limiting\n      config: {year: ${limit}, policy: local}\n`,
    );
  }

  /** As Kubernetes mounts a ConfigMap: `..data` is swapped to a new directory, the files are links through it. */
  mounted(word: string): void {
    const base = this.path('mounted');
    const version = `..v${++this.versions}`;
    mkdirSync(join(base, version));
    writeFileSync(
      join(base, version, 'extra.yaml'),
      `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: extra, namespace: default}\nspec:\n  hosts: ["extra.test"]\n  gateways: [public]\n  http:\n  - name: extra\n    directResponse: {status: 200, body: {string: "${word}"}}\n`,
    );
    symlinkSync(version, join(base, '..data_tmp'));
    renameSync(join(base, '..data_tmp'), join(base, '..data'));
    if (this.versions === 1) symlinkSync('..data/extra.yaml', join(base, 'extra.yaml'));
    else rmSync(join(base, `..v${this.versions - 1}`), { recursive: true });
  }
}
