import { readFileSync } from 'node:fs';
import { totalmem } from 'node:os';

/** Envoy's advice for the edge: connections of the process at a time. */
const usualConnections = 50_000;
/** Files, sockets of the admin address, probes: descriptors that connections do not get. */
const otherDescriptors = 256;

/** Three quarters of the file descriptors: the rest is for connections to upstreams, of which many clients of HTTP share one. */
export function defaultMaxConnections(): number {
  return Math.max(1, Math.min(usualConnections, Math.floor((openFilesLimit() - otherDescriptors) * 0.75)));
}

/** Nine tenths of what the container, or else the machine, has. */
export function defaultMaxMemoryBytes(): number {
  const constrained = process.constrainedMemory();
  const total = totalmem();
  return Math.floor((constrained > 0 && constrained < total ? constrained : total) * 0.9);
}

/** Node raises the soft limit to the hard one where it may. */
function openFilesLimit(): number {
  try {
    const found = /^Max open files\s+(\d+|unlimited)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    return found === undefined || found === 'unlimited' ? Infinity : Number(found);
  } catch {
    return Infinity;
  }
}
