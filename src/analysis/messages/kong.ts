import type { MessageSpec } from '../messages.ts';

/** 04: Kong documents. */
export const kongMessages = {
  WR0401: {
    severity: 'error',
    title: 'Reference to a Kong entity that does not exist',
    explanation:
      'A field names a service, route, consumer, upstream or certificate by name or id, and no document holds it. Kong refuses such a document; Weir leaves the entity out. Correct the name, or add the entity.',
  },
  WR0402: {
    severity: 'error',
    title: "Kong entity breaks a rule of Kong's schema",
    explanation:
      'Each field is sound alone, and together they are not allowed: a route without any criterion, `allow` beside `deny`, two protocols that exclude one another. The message says which rule. The entity is quarantined.',
  },
  WR0403: {
    severity: 'error',
    title: 'Vault reference cannot be resolved',
    explanation:
      'A value is `{vault://…}` and the secret is not there. Only the `env` vault runs: `{vault://env/my-var}` is the environment variable `MY_VAR`, `{vault://env/my-var/field}` a field of the JSON object in it. The entity is quarantined; the secret is never printed.',
  },
  WR0404: {
    severity: 'error',
    title: 'Upstream protocol cannot carry the requests of the route',
    explanation:
      'A route for requests leads to a service whose protocol is of connections alone (`tcp`, `tls`, `udp`, `tls_passthrough`). The route answers 503. Give the service `protocol: http` or `https`, or the route stream protocols.',
  },
  WR0405: {
    severity: 'error',
    title: 'Plugin is not known',
    explanation:
      'The plugin is no open-source plugin of Kong 3.9: a custom plugin, an Enterprise one, or a typing mistake. As it may restrict access, the routes in its scope answer 503. Remove it, or set `enabled: false`.',
  },
  WR0406: {
    severity: 'error',
    title: 'Two plugins of one name in one scope',
    explanation: 'Kong runs one instance of a plugin for a combination of route, service and consumer. The first one counts.',
  },
  WR0407: {
    severity: 'error',
    title: 'Route expression is not valid',
    explanation: "The `expression` of a route is not in the language of Kong's expressions router. The message gives the position.",
  },
  WR0408: {
    severity: 'error',
    title: 'Route expression cannot be honoured yet',
    explanation:
      'The expression is valid and uses a condition that routing does not have yet (client addresses, path segments, negations, comparisons of repeated values). The route is left out: it never matches more than was meant.',
  },
  WR0409: {
    severity: 'warning',
    title: 'Limit is counted in this process only',
    explanation:
      'A rate-limiting plugin with `policy: cluster` or `redis` is counted exactly over all workers of this process and not shared with other processes. Write `policy: local` to say that this is meant.',
  },
  WR0410: {
    severity: 'info',
    title: 'Development certificate on the HTTPS port',
    explanation:
      "Kong's proxy listens on 8443 for HTTPS and shows a certificate that it signed itself where no SNI fits; so does Weir. Its subject says what it is, and no client trusts it. It is made anew by each process. A certificate with the SNI `*` takes its place.",
  },
  WR0411: {
    severity: 'info',
    title: 'Path taken as a regular expression',
    explanation:
      'Before `_format_version: "3.0"` a path with characters other than letters, digits and `.-_~/%` is a regular expression. Since 3.0 it is one when it begins with `~`.',
  },
  WR0412: {
    severity: 'warning',
    title: 'Stream route without a port',
    explanation:
      "Kong's `stream_listen` stands in kong.conf and is in no document. Routes for `tcp`, `tls`, `tls_passthrough` and `udp` are served on the ports that their `destinations` name; a route that names none is served on the ports that others of its transport name, if there are any.",
  },
  WR0413: {
    severity: 'info',
    title: 'Service is disabled',
    explanation: 'With `enabled: false` the routes of the service are as if they did not exist.',
  },
  WR0414: {
    severity: 'error',
    title: 'Credential is not accepted',
    explanation:
      'The credential has a property that does not run yet (`ttl`: it expires). It is not accepted at all, rather than for ever. Remove `ttl`, and remove the credential when its time is over.',
  },
  WR0415: {
    severity: 'warning',
    title: 'Upstream without targets',
    explanation: 'No target belongs to the upstream: the services that name it have nowhere to go and answer 503.',
  },
  WR0416: {
    severity: 'warning',
    title: 'Certificate of the upstream is not verified',
    explanation:
      "Kong's `tls_verify` is off unless a service or kong.conf says otherwise, and Weir does as Kong does: the connection is encrypted, and whoever answers is believed. Write `tls_verify: true`; with `ca_certificates` the authorities named there are trusted, without it the system's.",
  },
  WR0417: {
    severity: 'warning',
    title: 'Stream route for TLS without a certificate',
    explanation:
      'TLS of a `tls` route ends here, and no certificate has an SNI that fits. As Kong does, Weir shows one that it signed itself, which no client trusts.',
  },
} as const satisfies Readonly<Record<string, MessageSpec>>;
