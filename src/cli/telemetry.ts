// Owns finding OpenTelemetry's API, where it is installed beside onebit. Without an SDK, which whoever wants traces registers (`node --import`), it does nothing.
import type { Telemetry } from '../server/tracing.ts';

/** The package `@opentelemetry/api`; undefined where it is not installed. */
export async function telemetryHere(): Promise<Telemetry | undefined> {
  try {
    return await import('@opentelemetry/api');
  } catch {
    return undefined;
  }
}
