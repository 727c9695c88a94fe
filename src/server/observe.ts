// Owns what operators see: metrics and the log of requests. No text of prompts or answers unless it was asked for.
import type { Exchange, LogEntry, Observer } from './exchange.ts';
import { Counter, Gauge, Histogram, renderMetrics } from './metrics.ts';
import type { ModelShelf } from './model-shelf.ts';

export interface ObserverOptions {
  readonly log?: (entry: LogEntry) => void;
  /** Put prompts and answers into the log. */
  readonly logTexts?: boolean;
  /** Bytes that the process holds, where the platform can say. */
  readonly residentBytes?: () => number;
}

/** Counts and logs the requests of one server. */
export class ServerObserver implements Observer {
  private readonly shelf: ModelShelf;
  private readonly options: ObserverOptions;
  private readonly startedSeconds = Date.now() / 1000;
  private readonly http = new Counter('http_requests_total', 'Requests by route and status.');
  private readonly httpSeconds = new Histogram('http_request_duration_seconds', 'Time until the last byte.');
  private readonly success = new Counter('vllm:request_success_total', 'Answers by the reason of their end.');
  private readonly prompt = new Counter('vllm:prompt_tokens_total', 'Tokens of prompts.');
  private readonly cached = new Counter('vllm:prompt_tokens_cached_total', 'Tokens of prompts that the cache held.');
  private readonly generated = new Counter('vllm:generation_tokens_total', 'Tokens of answers.');
  private readonly firstToken = new Histogram('vllm:time_to_first_token_seconds', 'Time to the first token.');
  private readonly perToken = new Histogram('vllm:time_per_output_token_seconds', 'Time between tokens.');
  private readonly whole = new Histogram('vllm:e2e_request_latency_seconds', 'Time of a whole generation.');
  private readonly byKey = new Counter('onebit_key_tokens_total', 'Tokens by API key, prompt and completion.');

  constructor(shelf: ModelShelf, options: ObserverOptions) {
    this.shelf = shelf;
    this.options = options;
  }

  requestEnded(exchange: Exchange): void {
    const seconds = (performance.now() - exchange.beganMs) / 1000;
    this.http.add({ method: exchange.method, handler: exchange.route, status: exchange.status });
    this.httpSeconds.observe({ handler: exchange.route }, seconds);
    if (exchange.modelId !== undefined) this.countGeneration(exchange, exchange.modelId, seconds);
    this.logRequest(exchange, seconds);
  }

  /** Tells the log of something that is not a request. */
  log(event: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.options.log?.({ time: new Date().toISOString(), event, ...fields });
  }

  /** The metrics as Prometheus reads them. */
  render(): string {
    const { firstToken, perToken, whole, http, httpSeconds, success, prompt, cached, generated, byKey } = this;
    const counted = [http, httpSeconds, success, prompt, cached, generated, byKey, firstToken, perToken, whole];
    return renderMetrics([...counted, ...this.gauges()]);
  }

  private countGeneration(exchange: Exchange, model_name: string, seconds: number): void {
    const { usage, firstTokenMs, lastTokenMs, beganMs, finishReason, key } = exchange;
    this.prompt.add({ model_name }, usage.promptTokens);
    this.cached.add({ model_name }, usage.cachedTokens);
    this.generated.add({ model_name }, usage.completionTokens);
    if (key) {
      this.byKey.add({ key: key.name, type: 'prompt' }, usage.promptTokens);
      this.byKey.add({ key: key.name, type: 'completion' }, usage.completionTokens);
    }
    if (finishReason !== undefined) this.success.add({ model_name, finished_reason: finishReason });
    if (firstTokenMs === undefined || lastTokenMs === undefined) return;
    this.firstToken.observe({ model_name }, (firstTokenMs - beganMs) / 1000);
    this.whole.observe({ model_name }, seconds);
    const gaps = usage.completionTokens - 1;
    if (gaps > 0) this.perToken.observe({ model_name }, (lastTokenMs - firstTokenMs) / 1000 / gaps);
  }

  private logRequest(exchange: Exchange, seconds: number): void {
    const { id, method, path, status, modelId, key, finishReason, error, usage, prompt, answer } = exchange;
    const cause = error && status >= 500 ? error.cause : undefined;
    this.log('request', {
      id,
      method,
      path,
      status,
      ms: Math.round(seconds * 1000),
      model: modelId,
      key: key?.name,
      ...(modelId === undefined ? {} : usage),
      finishReason,
      aborted: exchange.signal.aborted || undefined,
      error: error?.code ?? error?.message,
      cause: cause === undefined ? undefined : cause instanceof Error ? (cause.stack ?? cause.message) : String(cause),
      ...(this.options.logTexts ? { prompt, answer } : {}),
    });
  }

  private gauges(): Gauge[] {
    const loaded = () => [...this.shelf.loaded()].map(({ id, model }) => ({ labels: { model_name: id }, model }));
    const of = (read: (stats: ReturnType<ReturnType<typeof loaded>[number]['model']['stats']>) => number) => () =>
      loaded().map(({ labels, model }) => [labels, read(model.stats())] as const);
    const gauges = [
      new Gauge(
        'vllm:num_requests_running',
        'Requests that are being answered.',
        of((stats) => stats.running),
      ),
      new Gauge(
        'vllm:num_requests_waiting',
        'Requests that wait for a place.',
        of((stats) => stats.waiting),
      ),
      new Gauge(
        'vllm:kv_cache_usage_perc',
        'Share of the cache memory that requests use, 0 to 1.',
        of((stats) => stats.kvPagesUsed / stats.kvPagesTotal),
      ),
      new Gauge(
        'vllm:prefix_cache_queries_total',
        'Tokens looked up.',
        of((stats) => stats.promptTokens),
        'counter',
      ),
      new Gauge(
        'vllm:prefix_cache_hits_total',
        'Tokens found.',
        of((stats) => stats.cachedTokens),
        'counter',
      ),
      new Gauge('onebit_model_memory_bytes', 'Memory of a loaded model.', () =>
        loaded().map(({ labels, model }) => [labels, model.memoryBytes] as const),
      ),
      new Gauge('process_start_time_seconds', 'When the server started.', () => [[{}, this.startedSeconds]]),
    ];
    const { residentBytes } = this.options;
    if (residentBytes) {
      gauges.push(new Gauge('process_resident_memory_bytes', 'Memory of the process.', () => [[{}, residentBytes()]]));
    }
    return gauges;
  }
}
