// Owns what is this machine's own address, and by which names it is asked for there. Must not know servers.

/** Names of this machine for itself, as a request's `host` says them, without the port. */
export const LOOPBACK_NAMES: readonly string[] = ['localhost', '127.0.0.1', '[::1]'];

/** Whether who listens at `host` is reached from this machine only. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}
