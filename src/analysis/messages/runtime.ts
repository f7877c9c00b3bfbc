import type { MessageSpec } from '../messages.ts';

/** 07: found while running. */
export const runtimeMessages = {
  WR0701: {
    severity: 'error',
    title: 'Port is taken',
    explanation:
      'Another process listens on the address and port. The listener is not programmed; everything else runs. Stop the other process, or move the listener with `--map-port FROM:TO`.',
  },
  WR0702: {
    severity: 'error',
    title: 'Address cannot be bound',
    explanation:
      'The system refuses the address: ports below 1024 need a privilege (use `--map-port 80:8080`), and an address must belong to this machine.',
  },
  WR0703: {
    severity: 'error',
    title: 'Two listeners on one real port',
    explanation: '`--map-port` sends two listeners of the configuration to the same address and port. The first keeps it.',
  },
  WR0704: {
    severity: 'warning',
    title: 'Host name does not resolve',
    explanation:
      'DNS has no address for a destination. The name is asked again; meanwhile the last known addresses serve, or requests are answered 503.',
  },
  WR0705: {
    severity: 'error',
    title: 'Worker could not take a listener',
    explanation: 'A data worker failed to bind or to build a listener. The others keep serving it where they can.',
  },
  WR0706: {
    severity: 'warning',
    title: 'Worker died and was replaced',
    explanation: 'A data worker ended unexpectedly. Its exchanges are lost, a new one took its place. Report the message as a bug.',
  },
  WR0707: {
    severity: 'error',
    title: 'Configuration could not be compiled',
    explanation: 'The compile worker failed on the configuration itself. What served before stays in force. Report the message as a bug.',
  },
} as const satisfies Readonly<Record<string, MessageSpec>>;
