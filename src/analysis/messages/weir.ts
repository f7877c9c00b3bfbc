import type { MessageSpec } from '../messages.ts';

/** 05: Weir's own kinds and filters. */
export const weirMessages = {
  WR0501: {
    severity: 'error',
    title: 'Target of a Policy does not exist',
    explanation:
      "A `targetRefs` entry names a resource, or a section of it, that is not in the configuration or serves nothing. The Policy has no effect there; where the resource exists and only the section does not, all of the resource answers 503. A target without `namespace` is looked up in the Policy's own; `sectionName` is the name of a rule (routes), of a match (VirtualService) or of a listener or server (Gateway).",
  },
  WR0502: {
    severity: 'error',
    title: 'Two Policies bring the same filter to one target',
    explanation:
      'On equal targets the older Policy wins (`metadata.creationTimestamp`, then the order of the files) and the other has no effect there. A Policy on a narrower target replaces one on a wider target without a conflict: rule or match before route before service before Gateway or Listener.',
  },
  WR0503: {
    severity: 'error',
    title: 'Policy is broken: its scope is closed',
    explanation:
      'The Policy has errors and no earlier version that was good. As a policy restricts access, what it names in `targetRefs` answers 503; where these cannot be read, every route of its namespace does. Mend the Policy or remove it.',
  },
  WR0504: {
    severity: 'error',
    title: 'Listener cannot be served',
    explanation:
      'The fields of the Listener do not fit together: HTTPS without `tls`, TCP without `forward`, a Unix socket with a port. Its port is not opened: it would serve something else than was meant.',
  },
  WR0505: {
    severity: 'error',
    title: 'Two Listeners on one address and port',
    explanation: 'The first one counts. Give the other another port or address, or merge their `hostnames`.',
  },
  WR0506: {
    severity: 'error',
    title: 'Route names a Weir Listener as its parent',
    explanation:
      'A Listener takes routes by its own `routesFrom` (`kong`, `mesh`). Routes of Gateway API attach to a Gateway; describe the port there instead. The route is not served by the Listener.',
  },
  WR0507: {
    severity: 'warning',
    title: 'Policy acts on more than its target',
    explanation:
      'The Policy names a service, and a route spreads over that service and others. Authentication and limits are decided before a destination is chosen, so the filter runs for every request of the route.',
  },
  WR0508: {
    severity: 'warning',
    title: 'Listener shows a development certificate',
    explanation:
      'With `tls.development: true` a Listener shows a certificate for its hostnames that Weir signed itself. Its subject says what it is, no client trusts it, and each process makes another. It is for trying things out.',
  },
} as const satisfies Readonly<Record<string, MessageSpec>>;
