import type { MessageSpec } from '../messages.ts';

/** 06: problems that only show when all resources are seen together. */
export const analysisMessages = {
  WR0601: {
    severity: 'error',
    title: 'Two dialects claim one address and port',
    explanation:
      'A socket answers as one dialect does. The first claimant keeps it; the listener of the other is not served. Change a port or an address, or describe both in one dialect.',
  },
  WR0602: {
    severity: 'warning',
    title: "Kong's port is taken by another listener",
    explanation:
      "Kong documents bring no listener of their own: they listen on Kong's 8000 and, with TLS, 8443. Where another resource claims one of these ports, Kong's routes are not served there.",
  },
  WR0603: {
    severity: 'warning',
    title: 'Route can never be reached',
    explanation:
      'Another route of the same listener and host stands in front and matches at least the same requests. Reorder the two, narrow the first, or remove the second.',
  },
  WR0604: {
    severity: 'warning',
    title: 'Destination host is not in the configuration',
    explanation:
      'No Service, ServiceEntry, WorkloadEntry or Kong upstream declares the host; its name is asked of DNS at run time. While nothing resolves, requests are answered 503 with flag `NC`. Only an info for domain names, which DNS is likely to know.',
  },
  WR0605: {
    severity: 'warning',
    title: 'No listener',
    explanation:
      'Nothing in the configuration opens a port, so no request can arrive. Listeners come from Istio `Gateway`, Gateway API `Gateway`, `weir.dev/v1 Listener` and Kong documents.',
  },
  WR0606: {
    severity: 'warning',
    title: 'Service has no endpoints',
    explanation:
      'The destination is declared, but nothing stands behind it: requests are answered 503 with flag `UH`. Add an EndpointSlice, `endpoints` of a ServiceEntry, a WorkloadEntry or a Kong target.',
  },
  WR0607: {
    severity: 'info',
    title: 'Listener without routes',
    explanation: 'The port is open and every request is answered 404, or every connection closed, because no route is attached.',
  },
  WR0608: {
    severity: 'warning',
    title: 'No documents',
    explanation: 'The given paths hold no `.yaml`, `.yml` or `.json` file, or only empty ones.',
  },
  WR0609: {
    severity: 'info',
    title: 'More findings of one kind',
    explanation: 'A check across resources stops listing its findings at a limit. Fix the listed ones and validate again.',
  },
  WR0610: {
    severity: 'warning',
    title: 'Every destination of a route has weight 0',
    explanation: 'Weights are relative; when all of them are 0 no destination can be chosen and requests are answered with an error.',
  },
  WR0611: {
    severity: 'warning',
    title: 'Certificate is not for the host',
    explanation:
      'A listener answers for a server name (SNI) that none of its certificates holds for, among its subject alternative names (the common name does not count). Clients that verify certificates refuse the connection.',
  },
} as const satisfies Readonly<Record<string, MessageSpec>>;
