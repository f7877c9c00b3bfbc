/** Metrics of connections on their way in: handshakes, and what was turned away before it spoke its protocol. */
import type { Counter, Labels, WorkerMetrics } from './metrics.ts';
import type { RecordTls } from './record.ts';
import type { MetricName } from './metric-names.ts';

/** Why a connection was turned away. `verify-…`: of the client's certificate, as Envoy counts it. */
export type Refusal =
  | 'no-chain'
  | 'timeout'
  | 'handshake-timeout'
  | 'proxy-header'
  | 'client-hello'
  | 'handshake'
  | 'handshake-closed'
  | 'closed'
  | 'verify-no_cert'
  | 'verify-error'
  | 'verify-san'
  | 'verify-cert_hash'
  | 'overload'
  | 'overflow'
  | 'global-overflow';

/** Envoy's own counter for a refusal, where it has one. */
const envoyNames: Readonly<Partial<Record<Refusal, MetricName>>> = {
  'no-chain': 'envoy_listener_no_filter_chain_match',
  timeout: 'envoy_listener_downstream_pre_cx_timeout',
  'handshake-timeout': 'envoy_listener_downstream_cx_transport_socket_connect_timeout',
  'client-hello': 'envoy_listener_ssl_connection_error',
  handshake: 'envoy_listener_ssl_connection_error',
  'verify-no_cert': 'envoy_listener_ssl_fail_verify_no_cert',
  'verify-error': 'envoy_listener_ssl_fail_verify_error',
  'verify-san': 'envoy_listener_ssl_fail_verify_san',
  'verify-cert_hash': 'envoy_listener_ssl_fail_verify_cert_hash',
  overflow: 'envoy_listener_downstream_cx_overflow',
  'global-overflow': 'envoy_listener_downstream_global_cx_overflow',
};

/** Of one listener, version and cipher. */
interface Handshakes {
  readonly version: Counter;
  readonly cipher: Counter;
  readonly done: Counter;
  readonly reused: Counter;
  readonly noCertificate: Counter;
}

/** One per worker. */
export class IntakeMetrics {
  readonly #metrics: WorkerMetrics;
  readonly #handshakes = new Map<string, Handshakes>();

  constructor(metrics: WorkerMetrics) {
    this.#metrics = metrics;
  }

  handshake(listener: string, tls: RecordTls, isReused: boolean): void {
    const key = `${tls.version} ${tls.cipher} ${listener}`;
    const counters = this.#handshakes.get(key) ?? this.#make(key, listener, tls);
    counters.done.add(1);
    counters.version.add(1);
    counters.cipher.add(1);
    if (isReused) counters.reused.add(1);
    if (tls.certificate === null) counters.noCertificate.add(1);
  }

  refused(listener: string, refusal: Refusal): void {
    const labels: Labels = { envoy_listener_address: listener };
    this.#counter('weir_listener_refused_total', { ...labels, reason: refusal }).add(1);
    const name = envoyNames[refusal];
    if (name !== undefined) this.#counter(name, labels).add(1);
  }

  #make(key: string, listener: string, { version, cipher }: RecordTls): Handshakes {
    const labels: Labels = { envoy_listener_address: listener };
    const made = {
      done: this.#counter('envoy_listener_ssl_handshake', labels),
      version: this.#counter('envoy_listener_ssl_versions', { ...labels, envoy_ssl_version: version }),
      cipher: this.#counter('envoy_listener_ssl_ciphers', { ...labels, envoy_ssl_cipher: cipher }),
      reused: this.#counter('envoy_listener_ssl_session_reused', labels),
      noCertificate: this.#counter('envoy_listener_ssl_no_certificate', labels),
    };
    this.#handshakes.set(key, made);
    return made;
  }

  #counter(name: MetricName, labels: Labels): Counter {
    return this.#metrics.counter(name, labels);
  }
}
