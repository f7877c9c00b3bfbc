/** Istio: networking, security and telemetry kinds → model. reference/istio.md has the meaning of every field. */
import type { Listener } from '../../model/listener.ts';
import type { Dialect } from '../dialect.ts';
import { kindTable } from '../kubernetes-kinds.ts';
import { buildServiceIndex } from '../services.ts';
import { closeBrokenRules } from './broken-rules.ts';
import { checkClientTls } from './client-tls-check.ts';
import { refineClusters } from './clusters.ts';
import { createCredentials } from './credentials.ts';
import type { VirtualServiceItem } from './delegates.ts';
import { createDestinations } from './destinations.ts';
import { createRouteTable } from './entries.ts';
import { refineForwards } from './forwards.ts';
import { gatewayListeners } from './gateways.ts';
import { meshListener } from './mesh.ts';
import { noticeResource } from './notices.ts';
import { closeScopes } from './policies.ts';
import { createReporter } from './report.ts';
import { buildRuleBook } from './rules.ts';
import { destinationRuleKind } from './schema/destination-rule.ts';
import { gatewayKind } from './schema/gateway.ts';
import {
  envoyFilterKind,
  proxyConfigKind,
  sidecarKind,
  telemetryKind,
  trafficExtensionKind,
  wasmPluginKind,
  workloadGroupKind,
} from './schema/other.ts';
import { authorizationPolicyKind, peerAuthenticationKind, requestAuthenticationKind } from './schema/policies.ts';
import { serviceEntryKind, workloadEntryKind } from './schema/service-entry.ts';
import { statusesOf } from './status.ts';
import { virtualServiceKind } from './schema/virtual-service.ts';

const kinds = kindTable('istio', [
  gatewayKind,
  virtualServiceKind,
  destinationRuleKind,
  serviceEntryKind,
  workloadEntryKind,
  sidecarKind,
  workloadGroupKind,
  proxyConfigKind,
  authorizationPolicyKind,
  peerAuthenticationKind,
  requestAuthenticationKind,
  telemetryKind,
  envoyFilterKind,
  wasmPluginKind,
  trafficExtensionKind,
]);

export const istio: Dialect = {
  name: 'istio',
  recognises: kinds.recognises,
  read: kinds.read,
  translate({ resources, options }) {
    const report = createReporter();
    const own = resources.filter((resource) => resource.dialect === 'istio');
    const items = own.flatMap((resource): VirtualServiceItem[] => {
      const service = virtualServiceKind.of(resource);
      return service === null ? [] : [{ resource, service }];
    });
    const index = buildServiceIndex(resources);
    const build = createDestinations(index, buildRuleBook(own, index, options.labels), report);
    const broken = own
      .filter((resource) => resource.kind === 'VirtualService' && resource.broken)
      .map(({ namespace, name }) => `${namespace}/${name}`);
    const table = createRouteTable(items, new Set(broken), build, report);
    for (const resource of own) noticeResource(resource, report);
    // Delegates and roots that no gateway reaches are looked at all the same.
    for (const item of items) table.rules(item);
    const credentials = createCredentials(resources, report);
    checkClientTls(own, credentials, report);
    const gateways = gatewayListeners(own, items, { table, build, credentials, options, report });
    const listeners: Listener[] = [...gateways.listeners];
    const mesh = meshListener(items, index, table, build, report);
    if (mesh !== null) listeners.push(mesh);
    return {
      fragment: {
        listeners,
        routes: table.routes,
        clusters: [...build.clusters.values()],
        consumers: [],
        secrets: [...credentials.secrets.values()],
        status: statusesOf(own, items, gateways),
      },
      diagnostics: report.diagnostics,
    };
  },
  finish(snapshot, { resources, options }) {
    const report = createReporter();
    const index = buildServiceIndex(resources);
    const own = resources.filter((resource) => resource.dialect === 'istio');
    const rules = buildRuleBook(own, index, options.labels);
    const muted = createReporter();
    const credentials = createCredentials(resources, muted);
    const subjectAltNames = (service: string): readonly string[] => index.resolve(service, null)?.subjectAltNames ?? [];
    const refined = refineClusters(snapshot.clusters, { rules, resources: own, credentials, subjectAltNames, muted, report });
    const forwards = refineForwards({ ...snapshot, clusters: refined.clusters }, refined.tcp, report);
    const clusters = closeBrokenRules(forwards.clusters, own, index, report);
    const closed = closeScopes({ ...forwards, clusters }, resources, index, options, report);
    return { snapshot: closed, diagnostics: report.diagnostics };
  },
};
