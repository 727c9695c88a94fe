// Owns spans of what models answered, by the API of OpenTelemetry where somebody brings it. Must not import it. No texts.
// Source: OpenTelemetry semantic conventions for generative AI, inference and embeddings spans.
import type { Exchange } from './exchange.ts';

/** What is used of the package `@opentelemetry/api`; give that: `import * as telemetry from '@opentelemetry/api'`. */
export interface Telemetry {
  readonly trace: {
    getTracer(name: string): {
      // biome-ignore lint/suspicious/noExplicitAny: contexts and attributes are the package's own, which is not imported
      startSpan(name: string, options: any, context: any): TelemetrySpan;
    };
  };
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly propagation: { extract(context: any, carrier: unknown): any };
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly context: { active(): any };
}

/** A span, as far as it is used. */
export interface TelemetrySpan {
  // biome-ignore lint/suspicious/noExplicitAny: as above
  setStatus(status: any): unknown;
  end(at: number): void;
}

/** SpanKind.INTERNAL: the model runs in this process. SpanStatusCode.ERROR. */
const INTERNAL = 0;
const ERROR = 2;
/** What the conventions call operations. */
const OPERATIONS: readonly (readonly [RegExp, string])[] = [
  [/^\/v1\/chat|^\/v1\/responses|^\/v1\/messages|^\/api\/chat/, 'chat'],
  [/^\/v1\/completions|^\/api\/generate/, 'text_completion'],
  [/embed/, 'embeddings'],
];

/** Tells of a request that has ended, where a model was asked; as a part of the trace that it came with. */
export function traceRequest({ trace, propagation, context }: Telemetry, exchange: Exchange): void {
  const { modelId, route, usage, finishReason, error, trace: parent, isBackground } = exchange;
  if (modelId === undefined) return;
  const operation = OPERATIONS.find(([path]) => path.test(route))?.[1] ?? route;
  const at = (ms: number) => performance.timeOrigin + ms;
  const { firstTokenMs, beganMs } = exchange;
  const attributes = {
    'gen_ai.operation.name': operation,
    'gen_ai.provider.name': 'onebit',
    'gen_ai.request.model': modelId,
    'gen_ai.response.model': modelId,
    'gen_ai.response.id': exchange.id,
    'gen_ai.usage.input_tokens': usage.promptTokens,
    'gen_ai.usage.output_tokens': usage.completionTokens,
    'gen_ai.usage.cache_read.input_tokens': usage.cachedTokens,
    ...(finishReason === undefined ? {} : { 'gen_ai.response.finish_reasons': [finishReason] }),
    ...(firstTokenMs === undefined ? {} : { 'onebit.time_to_first_token': (firstTokenMs - beganMs) / 1000 }),
    ...(isBackground ? { 'onebit.batch': true } : {}),
    ...(error ? { 'error.type': error.code ?? String(error.status) } : {}),
  };
  const before =
    parent === undefined ? context.active() : propagation.extract(context.active(), { traceparent: parent });
  const options = { kind: INTERNAL, startTime: at(beganMs), attributes };
  const span = trace.getTracer('onebit').startSpan(`${operation} ${modelId}`, options, before);
  if (error) span.setStatus({ code: ERROR, message: error.code ?? undefined });
  span.end(at(performance.now()));
}
