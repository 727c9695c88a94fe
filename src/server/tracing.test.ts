// Spans as OpenTelemetry's own SDK gets them.
import * as telemetry from '@opentelemetry/api';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { expect, test } from 'vitest';
import { ApiError } from './api-error.ts';
import { Exchange } from './exchange.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { traceRequest } from './tracing.ts';

const exporter = new InMemorySpanExporter();
telemetry.trace.setGlobalTracerProvider(
  new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
);
telemetry.propagation.setGlobalPropagator({
  inject: () => {},
  fields: () => ['traceparent'],
  extract: (context, carrier) => {
    const [, traceId, spanId] = (carrier as { traceparent: string }).traceparent.split('-');
    return telemetry.trace.setSpanContext(context, { traceId, spanId, traceFlags: 1 });
  },
});

const exchangeOf = (route: string, headers: Record<string, string> = {}) => {
  const request = new Request(`http://x${route}`, { method: 'POST', headers });
  const exchange = new Exchange(request, DEFAULT_LIMITS, { requestEnded: (ended) => traceRequest(telemetry, ended) });
  exchange.route = route;
  return exchange;
};

test('an answer is a span with models, tokens and the reason of its end, within the trace that it came with', () => {
  const exchange = exchangeOf('/v1/chat/completions', { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` });
  exchange.modelId = 'tiny';
  Object.assign(exchange.usage, { promptTokens: 7, completionTokens: 3, cachedTokens: 2 });
  exchange.finishReason = 'stop';
  exchange.prompt = 'a secret';
  exchange.end();
  const [span] = exporter.getFinishedSpans();
  expect(span.name).toBe('chat tiny');
  expect(span.spanContext().traceId).toBe('a'.repeat(32));
  expect(span.attributes).toMatchObject({
    'gen_ai.operation.name': 'chat',
    'gen_ai.request.model': 'tiny',
    'gen_ai.usage.input_tokens': 7,
    'gen_ai.usage.output_tokens': 3,
    'gen_ai.response.finish_reasons': ['stop'],
  });
  expect(JSON.stringify(span.attributes)).not.toContain('secret');
});

test('a failure says what it was; what asks no model is no span', () => {
  exporter.reset();
  exchangeOf('/v1/models').end();
  expect(exporter.getFinishedSpans()).toEqual([]);
  const failed = exchangeOf('/v1/embeddings');
  failed.modelId = 'tiny';
  failed.error = new ApiError(429, 'Later.', { code: 'queue_full' });
  failed.end();
  const [span] = exporter.getFinishedSpans();
  expect(span).toMatchObject({ name: 'embeddings tiny', status: { code: 2 } });
  expect(span.attributes['error.type']).toBe('queue_full');
});
