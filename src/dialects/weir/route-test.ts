import type { z } from 'zod';
import type { ResourceRef } from '../../model/diagnostic.ts';
import type { Resource } from '../dialect.ts';
import { routeTestKind } from './kinds.ts';

type Case = z.output<ReturnType<(typeof routeTestKind)['schema']>>['spec']['cases'][number];

/** One case of a RouteTest document, with its place. */
export interface RouteTestCase {
  readonly resource: ResourceRef;
  readonly name: string;
  readonly request: {
    readonly method: string;
    readonly url: string;
    /** One entry for each line; names as written. */
    readonly headers: readonly (readonly [name: string, value: string])[];
    /** SPIFFE id of a mesh caller, or null. */
    readonly from: string | null;
    /** `host:port` of the listener, when it is not the URL's. */
    readonly address: string | null;
  };
  /** Only what is there is compared. */
  readonly expect: Case['expect'];
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  readonly column: number;
}

/** Cases of every sound RouteTest document, in file order. */
export function routeTests(resources: readonly Resource[]): readonly RouteTestCase[] {
  return resources.flatMap((resource) => {
    const value = routeTestKind.of(resource);
    if (value === null) return [];
    const { kind, namespace, name, document, path } = resource;
    return value.spec.cases.map((one, index) => ({
      resource: { kind, namespace, name },
      name: one.name,
      request: { ...one.request, headers: lines(one.request.headers) },
      expect: one.expect,
      file: document.file,
      ...document.locate([...path, 'spec', 'cases', index]),
    }));
  });
}

function lines(headers: Case['request']['headers']): readonly (readonly [string, string])[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    typeof value === 'string' ? [[name, value] as const] : value.map((line) => [name, line] as const),
  );
}
