import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultOptions } from '../compile.ts';
import { answer, compileText, told } from './fixture.ts';

/** One object; `spec` in flow style begins at column 8 of line 4. */
const object = (kind: string, spec: string, meta = 'name: x', api = 'networking.istio.io/v1'): string =>
  `apiVersion: ${api}\nkind: ${kind}\nmetadata: {${meta}}\nspec: {${spec}}\n---\n`;
const gateway = object('Gateway', 'servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*.test"]}]', 'name: g');
const rule = (http: string): string => object('VirtualService', `hosts: [a.test], http: [${http}]`);
const respond = 'directResponse: {status: 200}';

const rows: readonly { readonly name: string; readonly config: string; readonly told: readonly string[] }[] = [
  {
    name: 'every version is read',
    config: ['v1', 'v1beta1', 'v1alpha3']
      .map((version, i) =>
        object('VirtualService', `hosts: [a${i}.test], http: [{${respond}}]`, `name: v${i}`, `networking.istio.io/${version}`),
      )
      .join(''),
    told: [],
  },
  {
    name: 'an unknown version',
    config: object('VirtualService', `hosts: [a.test], http: [{${respond}}]`, 'name: x', 'networking.istio.io/v2'),
    told: ["WR0105 error <networking.istio.io/v2> apiVersion 'networking.istio.io/v2' does not exist for VirtualService"],
  },
  {
    name: 'what the API server adds is ignored',
    config:
      'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: x, uid: u, generation: 3, creationTimestamp: null, managedFields: [{a: b}]}\nspec: {hosts: [a.test], http: [{directResponse: {status: 200}}]}\nstatus: {any: thing}\n',
    told: [],
  },
  { name: 'a mistyped field', config: rule(`{mach: [], ${respond}}`), told: ["WR0104 error <mach> unknown field 'mach' in spec.http[0]"] },
  {
    name: 'a wrong type',
    config: rule('{match: {uri: {exact: /a}}, directResponse: {status: 200}}'),
    told: ['WR0105 error <{uri> spec.http[0].match must be of type array, not object'],
  },
  {
    name: 'two kinds of one string match',
    config: rule(`{match: [{uri: {exact: /a, prefix: /b}}], ${respond}}`),
    told: ['WR0105 error <{exact> spec.http[0].match[0].uri: only one of exact, prefix and regex may be set'],
  },
  {
    name: 'a regular expression that RE2 does not know',
    config: rule(`{match: [{uri: {regex: "a(?=b)"}}], ${respond}}`),
    told: ['WR0111 error <"a(?=b)"> spec.http[0].match[0].uri.regex: error parsing regexp: invalid or unsupported Perl syntax: `(?=`'],
  },
  {
    name: '* is no path expression',
    config: rule(`{match: [{uri: {regex: "*"}}], ${respond}}`),
    told: [
      'WR0111 error <"*"}}], directResponse> spec.http[0].match[0].uri.regex: error parsing regexp: missing argument to repetition operator: `*`',
    ],
  },
  {
    name: 'a rule without an action',
    config: rule('{match: [{uri: {exact: /a}}]}'),
    told: ['WR0106 error <{match> spec.http[0]: it must have one of route, redirect, directResponse and delegate'],
  },
  {
    name: 'two actions',
    config: rule(`{redirect: {uri: /a}, ${respond}}`),
    told: ['WR0105 error <{redirect> spec.http[0]: redirect and directResponse exclude one another'],
  },
  {
    name: 'a host with a port, and a wildcard in the middle',
    config: object('VirtualService', `hosts: ["a.test:80", "a.*.test"], http: [{${respond}}]`),
    told: [
      `WR0105 error <"a.test> spec.hosts[0]: 'a.test:80' is not a host name`,
      `WR0105 error <"a.*.test"> spec.hosts[1]: 'a.*.test' is not a host name`,
    ],
  },
  {
    name: 'weights that add up to 0',
    config: rule('{route: [{destination: {host: 10.0.0.1}}, {destination: {host: 10.0.0.2}}]}'),
    told: ['WR0105 error <[{destination> spec.http[0].route: the weights add up to 0'],
  },
  {
    name: 'a duration without unit',
    config: rule('{timeout: "5", route: [{destination: {host: 10.0.0.1}}]}'),
    told: ['WR0105 error <"5"> spec.http[0].timeout: \'5\' is not a duration'],
  },
  {
    name: 'hosts are missing beside gateways',
    config: object('VirtualService', `gateways: [g], http: [{${respond}}]`),
    told: ['WR0106 error <{gateways> spec: hosts is required'],
  },
  {
    name: 'a redirect that changes nothing',
    config: rule('{redirect: {redirectCode: 302}}'),
    told: ['WR0105 error <{redirectCode> spec.http[0].redirect: it changes nothing and would redirect for ever'],
  },
  {
    name: 'rules that do not run yet are warnings',
    config: rule(
      '{retries: {attempts: 2}, fault: {abort: {httpStatus: 500, percentage: {value: 1}}}, mirror: {host: m.test}, corsPolicy: {allowOrigins: [{exact: a}]}, directResponse: {status: 200}}',
    ),
    told: [
      'WR0108 warning <retries> spec.http[0].retries does not run yet',
      'WR0108 warning <fault> spec.http[0].fault does not run yet',
      'WR0108 warning <mirror> spec.http[0].mirror does not run yet',
      'WR0108 warning <corsPolicy> spec.http[0].corsPolicy does not run yet',
    ],
  },
  {
    name: 'retired fields of a rule',
    config: rule(
      '{mirror: {host: 10.0.0.1}, mirrorPercent: 5, fault: {delay: {fixedDelay: 1s, percent: 5}}, corsPolicy: {allowOrigin: ["*"]}, directResponse: {status: 200}}',
    ).replaceAll('x', 'x'),
    told: [
      'WR0108 warning <mirror> spec.http[0].mirror does not run yet',
      'WR0108 warning <mirrorPercent> spec.http[0].mirrorPercent does not run yet',
      'WR0110 warning <mirrorPercent> mirrorPercent is retired',
      'WR0108 warning <fault> spec.http[0].fault does not run yet',
      'WR0110 warning <percent> percent is retired',
      'WR0108 warning <corsPolicy> spec.http[0].corsPolicy does not run yet',
      'WR0110 warning <allowOrigin> allowOrigin is retired',
    ],
  },
  {
    name: 'tls and tcp routes of the mesh are warnings',
    config: object(
      'VirtualService',
      'hosts: [a.test], tcp: [{route: [{destination: {host: b.test}}]}], tls: [{match: [{sniHosts: [a.test]}], route: [{destination: {host: b.test}}]}]',
    ),
    told: [
      'WR0108 warning <tcp> spec.tcp does not run yet: in the mesh; at gateways it runs',
      'WR0108 warning <tls> spec.tls does not run yet: in the mesh; at gateways it runs',
    ],
  },
  {
    name: 'a JWT claim is an error',
    config:
      gateway +
      object(
        'VirtualService',
        `hosts: [a.test], gateways: [g], http: [{match: [{headers: {"@request.auth.claims.a": {exact: b}}}], ${respond}}]`,
      ),
    told: ['WR0109 error <{headers> match on JWT claim @request.auth.claims.a does not run yet'],
  },
  {
    name: 'headers that cannot be changed, and unknown operators',
    config: rule('{headers: {request: {set: {connection: close, x-a: "%NOPE%"}, remove: [host]}}, directResponse: {status: 200}}'),
    told: [
      "WR0108 warning <connection> spec.http[0].headers.request.set.connection does not run yet: `connection` carries framing, routing or connection state and cannot be changed by a filter; rewrite the host with the route's own host rewrite",
      'WR0108 warning <x-a> spec.http[0].headers.request.set.x-a does not run yet: operator `%NOPE%` is not supported; supported: %% %REQ(name)% %REQ(name?other):maxLength% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %ROUTE_NAME% %START_TIME% %RESPONSE_CODE%',
      "WR0108 warning <host> spec.http[0].headers.request.remove[0] does not run yet: 'host' can only be set, on requests",
    ],
  },
  {
    name: 'a gateway that does not exist, with a near one',
    config: gateway + object('VirtualService', `hosts: [a.test], gateways: [g], http: [{${respond}}]`, 'name: v, namespace: other'),
    told: ["WR0204 error <g> there is no Gateway 'other/g'"],
  },
  {
    name: 'a host that no server has',
    config: gateway + object('VirtualService', `hosts: [a.test, b.example], gateways: [g], http: [{${respond}}]`, 'name: v'),
    told: ["WR0205 warning <b.example> no server of the named gateways has a host for 'b.example'"],
  },
  {
    name: 'a short host at a gateway',
    config: gateway + object('VirtualService', `hosts: [shop], gateways: [g], http: [{${respond}}]`, 'name: v'),
    told: [
      "WR0213 info <shop> 'shop' stands for 'shop.default.svc.cluster.local'",
      "WR0205 warning <shop> no server of the named gateways has a host for 'shop'",
    ],
  },
  {
    name: 'a VirtualService that is not exported to the gateway',
    config:
      gateway +
      object(
        'VirtualService',
        `exportTo: ["."], hosts: [a.test], gateways: [default/g], http: [{${respond}}]`,
        'name: v, namespace: other',
      ),
    told: ["WR0214 warning <exportTo> the VirtualService is not exported to namespace 'default' of Gateway 'default/g'"],
  },
  {
    name: 'a subset that no DestinationRule has',
    config: rule('{route: [{destination: {host: 10.0.0.1, subset: v2}}]}'),
    told: ["WR0203 error <v2> no DestinationRule of '10.0.0.1' has a subset 'v2'"],
  },
  {
    name: 'a port that the service does not have',
    config:
      object('ServiceEntry', 'hosts: [s.test], resolution: STATIC, ports: [{number: 80, name: http}], endpoints: [{address: 10.0.0.1}]') +
      rule('{route: [{destination: {host: s.test, port: {number: 81}}}]}'),
    told: ["WR0208 error <81> 's.test' has no port 81"],
  },
  {
    name: 'a port left out of several',
    config:
      gateway +
      object(
        'ServiceEntry',
        'hosts: [s.test], resolution: STATIC, ports: [{number: 8080, name: a}, {number: 8081, name: b}], endpoints: [{address: 10.0.0.1}]',
      ) +
      object('VirtualService', 'hosts: [a.test], gateways: [g], http: [{route: [{destination: {host: s.test}}]}]'),
    told: ["WR0208 error <{host> 's.test' has the ports 8080, 8081 and the destination names none"],
  },
  {
    name: 'a rule behind the catch-all of a shared host',
    config:
      gateway +
      object(
        'VirtualService',
        `hosts: [a.test], gateways: [g], http: [{${respond}}, {match: [{uri: {prefix: /b}}], ${respond}}]`,
        'name: one',
      ) +
      object('VirtualService', `hosts: [a.test], gateways: [g], http: [{match: [{uri: {prefix: /c}}], ${respond}}]`, 'name: two'),
    told: ['WR0209 warning <{match> rule 1 is never reached: a rule before it matches every request'],
  },
  {
    name: 'conditions that are not looked at',
    config: rule(
      `{match: [{headers: {uri: {exact: /a}}, gateways: [mesh], sourceLabels: {a: b}}, {uri: {regex: "/a"}, ignoreUriCase: true}], ${respond}}`,
    ),
    told: [
      "WR0210 warning <uri> the header 'uri' is not looked at",
      'WR0210 warning <sourceLabels> source conditions are not looked at in a match that names gateways',
      'WR0210 warning <ignoreUriCase> ignoreUriCase has no effect on a regular expression',
    ],
  },
  {
    name: 'a certificate that is nowhere; HTTP/2 without TLS is served',
    config: object(
      'Gateway',
      'servers: [{port: {number: 443, name: https, protocol: HTTPS}, tls: {mode: SIMPLE, credentialName: c}, hosts: ["*"]}, {port: {number: 8080, name: h2, protocol: http2}, hosts: ["*"]}]',
    ),
    told: ["WR0333 error <c> there is no Secret 'default/c'"],
  },
  {
    name: 'a server host that is none',
    config: object('Gateway', 'servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["a.*.test"]}]'),
    told: ['WR0105 error <"a.*.test"> spec.servers[0].hosts[0]: \'a.*.test\' is not a host name'],
  },
  {
    name: 'a bind address that is none',
    config: object('Gateway', 'servers: [{bind: host.test, port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]'),
    told: ["WR0105 error <host.test> bind 'host.test' is not an IP address"],
  },
  {
    name: 'one port with two protocols',
    config:
      gateway +
      object('Gateway', 'servers: [{port: {number: 80, name: tls, protocol: TLS}, tls: {mode: PASSTHROUGH}, hosts: ["*"]}]', 'name: h'),
    told: ["WR0212 warning <port> port 80 is HTTP for Gateway 'default/g' and TLS here; this server is not served"],
  },
  {
    name: "upstream TLS with the mesh's certificates is an error",
    config: object('DestinationRule', 'host: a.test, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}'),
    told: ["WR0109 error <tls> tls mode ISTIO_MUTUAL needs the mesh's certificates and does not run yet; requests answer 503"],
  },
  {
    name: 'retired fields of a DestinationRule',
    config: object(
      'DestinationRule',
      'host: a.test, trafficPolicy: {loadBalancer: {simple: LEAST_CONN}, outlierDetection: {consecutiveErrors: 7}}',
    ),
    told: [
      'WR0110 warning <LEAST_CONN> LEAST_CONN is retired',
      'WR0108 warning <outlierDetection> spec.trafficPolicy.outlierDetection does not run yet',
      'WR0110 warning <consecutiveErrors> consecutiveErrors is retired',
    ],
  },
  {
    name: 'two subsets of one name',
    config: object('DestinationRule', 'host: a.test, subsets: [{name: a}, {name: a}]'),
    told: ["WR0105 error <a> spec.subsets[1].name: there are two subsets 'a'"],
  },
  {
    name: 'a static endpoint with a name',
    config: object(
      'ServiceEntry',
      'hosts: [a.test], resolution: STATIC, ports: [{number: 80, name: http}], endpoints: [{address: b.test}]',
    ),
    told: ["WR0105 error <b.test> spec.endpoints[0].address: 'b.test' is not an IP address, and resolution is STATIC"],
  },
  {
    name: 'a port name that the ServiceEntry does not have',
    config: object(
      'ServiceEntry',
      'hosts: [a.test], resolution: STATIC, ports: [{number: 80, name: http}], endpoints: [{address: 10.0.0.1, ports: {web: 81}}]',
    ),
    told: ["WR0105 error <web> spec.endpoints[0].ports.web: the ServiceEntry has no port named 'web'"],
  },
  {
    name: 'kinds that program Envoy are refused',
    config: object('EnvoyFilter', 'configPatches: []', 'name: e', 'networking.istio.io/v1alpha3'),
    told: ['WR0201 error <EnvoyFilter> EnvoyFilter programs Envoy itself; nothing of it is applied'],
  },
  {
    name: 'kinds that sleep',
    config:
      object('Sidecar', 'egress: [{hosts: ["./*"]}]') +
      object('Telemetry', 'tracing: [{randomSamplingPercentage: 5}]', 'name: t', 'telemetry.istio.io/v1') +
      object('ProxyConfig', 'concurrency: 2', 'name: p', 'networking.istio.io/v1beta1') +
      object('WorkloadGroup', 'template: {serviceAccount: a}', 'name: w'),
    told: [
      'WR0108 warning <Sidecar> Sidecar does not run yet: sidecars come in a later version; every service is visible to every caller',
      'WR0108 warning <Telemetry> Telemetry does not run yet: metrics and access logs keep their defaults',
      'WR0108 warning <ProxyConfig> ProxyConfig does not run yet: Weir has its own settings: --workers and WEIR_*',
      'WR0108 warning <WorkloadGroup> WorkloadGroup does not run yet: workloads register in a later version',
    ],
  },
];

/** Places as the text that stands there, up to the next punctuation. */
function withText(line: string, text: string): string {
  return line.replace(
    / (\d+):(\d+) /,
    (_all, row: string, column: string) =>
      ` <${/^\W*[^\s,:}\]]*/.exec(text.split('\n')[Number(row) - 1]?.slice(Number(column) - 1) ?? '')?.[0] ?? ''}> `,
  );
}

for (const row of rows)
  test(`istio diagnostics: ${row.name}`, async () => {
    const found = told(await compileText(row.config)).map((line) => withText(line, row.config));
    // A row may tell only the beginning of a message.
    assert.deepEqual(
      found.map((line, index) => (row.told[index] !== undefined && line.startsWith(row.told[index]) ? row.told[index] : line)),
      row.told,
    );
  });

test('istio: --labels choose the Gateways that are served', async () => {
  const text = object(
    'Gateway',
    'selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]',
    'name: g',
  );
  const ports = async (labels: Readonly<Record<string, string>> | null): Promise<number> =>
    (await compileText(text, { ...defaultOptions, labels })).snapshot.listeners.length;
  assert.equal(await ports(null), 1);
  assert.equal(await ports({ istio: 'ingressgateway', app: 'x' }), 1);
  assert.equal(await ports({ istio: 'egressgateway' }), 0);
});

test('istio: a broken VirtualService stays out and the others run', async () => {
  const compiled = await compileText(
    gateway +
      object('VirtualService', `hosts: [a.test], gateways: [g], http: [{mach: [], ${respond}}]`, 'name: bad') +
      object('VirtualService', `hosts: [b.test], gateways: [g], http: [{${respond}}]`, 'name: good'),
  );
  assert.equal(answer(compiled, 'http://a.test/'), '404');
  assert.equal(answer(compiled, 'http://b.test/'), '200 ');
});

test('istio: status tells which servers listen and which Gateways took a VirtualService', async () => {
  const { snapshot } = await compileText(
    object(
      'Gateway',
      'servers: [{name: web, port: {number: 80, name: http, protocol: HTTP}, hosts: ["*.test"]}, {port: {number: 443, name: https, protocol: HTTPS}, hosts: ["*.example"]}]',
      'name: g',
    ) +
      object('VirtualService', `hosts: [a.test], gateways: [g, h, mesh], http: [{${respond}}]`, 'name: v') +
      object('VirtualService', `hosts: [a.other], gateways: [g], http: [{${respond}}]`, 'name: w'),
  );
  const status = snapshot.status.map(({ name, listeners, parents }) => ({
    name,
    listeners: listeners.map((one) => `${one.name} ${one.listener ?? 'closed'} ${one.attachedRoutes}`),
    parents: parents.map(
      (one) => `${one.namespace}/${one.name} ${one.conditions.map(({ type, status, reason }) => `${type} ${status} ${reason}`).join()}`,
    ),
  }));
  assert.deepEqual(status, [
    { name: 'g', listeners: ['web 0.0.0.0:80 1', 'https closed 0'], parents: [] },
    { name: 'v', listeners: [], parents: ['default/g Accepted True Accepted', 'default/h Accepted False NoMatchingParent'] },
    { name: 'w', listeners: [], parents: ['default/g Accepted False NoMatchingListenerHostname'] },
  ]);
});
