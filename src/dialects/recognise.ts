import { diagnose } from '../analysis/messages.ts';
import { nearest } from '../base/text.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { LocatedDocument } from './dialect.ts';

/** Kinds a user may mean, with the version to write; for hints only, the dialects decide what they read. */
const knownKinds: Readonly<Record<string, string>> = {
  VirtualService: 'networking.istio.io/v1',
  DestinationRule: 'networking.istio.io/v1',
  ServiceEntry: 'networking.istio.io/v1',
  WorkloadEntry: 'networking.istio.io/v1',
  Sidecar: 'networking.istio.io/v1',
  AuthorizationPolicy: 'security.istio.io/v1',
  RequestAuthentication: 'security.istio.io/v1',
  PeerAuthentication: 'security.istio.io/v1',
  Telemetry: 'telemetry.istio.io/v1',
  GatewayClass: 'gateway.networking.k8s.io/v1',
  Gateway: 'gateway.networking.k8s.io/v1 (or networking.istio.io/v1)',
  HTTPRoute: 'gateway.networking.k8s.io/v1',
  GRPCRoute: 'gateway.networking.k8s.io/v1',
  ReferenceGrant: 'gateway.networking.k8s.io/v1beta1',
  Service: 'v1',
  Secret: 'v1',
  ConfigMap: 'v1',
  Namespace: 'v1',
  Pod: 'v1',
  EndpointSlice: 'discovery.k8s.io/v1',
  Ingress: 'networking.k8s.io/v1',
  Listener: 'weir.dev/v1',
  Policy: 'weir.dev/v1',
  RouteTest: 'weir.dev/v1',
};

const kongSections = ['services', 'routes', 'upstreams', 'consumers', 'plugins'];

/** WR0103 for a document that no dialect takes, with what its author most likely meant. */
export function unrecognised(document: LocatedDocument): Diagnostic {
  const { file, value } = document;
  const report = (path: readonly string[], message: string, hint: string) =>
    diagnose('WR0103', { file, ...document.locate(path) }, null, message, { hint });
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return report(
      [],
      'the document is not a map of fields',
      'Start it with "apiVersion: …" and "kind: …", or with "_format_version" for Kong.',
    );
  }
  const fields = new Map<string, unknown>(Object.entries(value));
  if (fields.has('openapi') || fields.has('swagger')) {
    return report(
      [fields.has('openapi') ? 'openapi' : 'swagger'],
      'OpenAPI documents do not run yet',
      'Describe the routes with Istio, Gateway API or Kong documents, and keep the OpenAPI file outside the -f paths.',
    );
  }
  const apiVersion = fields.get('apiVersion');
  const kind = fields.get('kind');
  if (typeof apiVersion === 'string' && typeof kind === 'string')
    return report(['kind'], `no dialect knows ${kind} of ${apiVersion}`, kindHint(kind));
  if (typeof kind === 'string') return report([], `the document of kind ${kind} has no apiVersion`, kindHint(kind));
  if (typeof apiVersion === 'string')
    return report([], `the document of ${apiVersion} has no kind`, 'Add "kind: …", for example "kind: VirtualService".');
  const section = kongSections.find((name) => fields.has(name));
  if (section !== undefined) {
    return report(
      [section],
      `"${section}" looks like Kong's format, but _format_version is missing`,
      'Add _format_version: "3.0" at the top of the file.',
    );
  }
  const versionLike = nearest('_format_version', fields.keys());
  if (versionLike !== null)
    return report([versionLike], `"${versionLike}" is not a known header`, 'Kong files start with _format_version: "3.0".');
  return report(
    [],
    'the document has neither apiVersion and kind nor _format_version',
    'Start it with "apiVersion: …" and "kind: …", or with _format_version: "3.0" for Kong. Files of other programs belong outside the -f paths.',
  );
}

function kindHint(kind: string): string {
  const match = Object.hasOwn(knownKinds, kind) ? kind : nearest(kind, Object.keys(knownKinds));
  if (match === null)
    return `Weir reads ${Object.keys(knownKinds).slice(0, 4).join(', ')}, HTTPRoute, Gateway and more; take this document out of the -f paths.`;
  const header = `apiVersion: ${knownKinds[match] ?? ''} and kind: ${match}`;
  return match === kind ? `Write ${header}.` : `Did you mean ${match}? Write ${header}.`;
}
