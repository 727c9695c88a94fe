// Owns what operators see: metrics and the log of requests. No text of prompts or answers unless it was asked for. A key sees what it did itself.
import type { Exchange, LogEntry, Observer } from './exchange.ts';
import type { JobStats } from './job-queue.ts';
import { type ApiKey, isOperator } from './keys.ts';
import { Gauge, renderMetrics } from './metrics.ts';
import type { ModelShelf } from './model-shelf.ts';
import { Tally } from './tally.ts';
import { type Telemetry, traceRequest } from './tracing.ts';

export interface ObserverOptions {
  readonly log?: (entry: LogEntry) => void;
  /** Put prompts and answers into the log. */
  readonly logTexts?: boolean;
  /** Told of what models answered, as spans. */
  readonly telemetry?: Telemetry;
  /** Bytes that the process holds, where the platform can say. */
  readonly residentBytes?: () => number;
}

/** Counts and logs the requests of one server. */
export class ServerObserver implements Observer {
  private readonly shelf: ModelShelf;
  private readonly options: ObserverOptions;
  private readonly startedSeconds = Date.now() / 1000;
  private readonly all = new Tally();
  private readonly byKey = new Map<string, Tally>();

  constructor(shelf: ModelShelf, options: ObserverOptions) {
    this.shelf = shelf;
    this.options = options;
  }

  requestEnded(exchange: Exchange): void {
    const seconds = (performance.now() - exchange.beganMs) / 1000;
    this.all.add(exchange, seconds);
    if (exchange.key) this.tallyOf(exchange.key).add(exchange, seconds);
    this.logRequest(exchange, seconds);
    if (this.options.telemetry) traceRequest(this.options.telemetry, exchange);
  }

  /** Tells the log of something that is not a request. */
  log(event: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.options.log?.({ time: new Date().toISOString(), event, ...fields });
  }

  /** The metrics as Prometheus reads them: of the whole server, or of `key` alone where it is no operator's. */
  render(key?: ApiKey, jobs?: JobStats): string {
    if (key && !isOperator(key)) return renderMetrics(this.tallyOf(key).families);
    return renderMetrics([...this.all.families, ...this.gauges(), ...(jobs ? jobGauges(jobs) : [])]);
  }

  private tallyOf({ id }: ApiKey): Tally {
    const tally = this.byKey.get(id) ?? new Tally();
    this.byKey.set(id, tally);
    return tally;
  }

  private logRequest(exchange: Exchange, seconds: number): void {
    const { id, method, path, status, modelId, key, finishReason, error, usage, prompt, answers, verdict } = exchange;
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
      policy: verdict === 'allowed' ? undefined : verdict,
      ...(this.options.logTexts ? { prompt, answer: answers.join('') } : {}),
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

/** Numbers of the queue of batches: of all replicas together where they share one. */
function jobGauges({ waiting, running, oldestSeconds, done, failed, workers }: JobStats): Gauge[] {
  const leaving = new Map<string, number>();
  for (const reason of workers.flatMap(({ leaves }) => leaves ?? [])) {
    leaving.set(reason, (leaving.get(reason) ?? 0) + 1);
  }
  const one = (name: string, help: string, value: number, type?: string) =>
    new Gauge(name, help, () => [[{}, value]], type);
  return [
    one('onebit_jobs_waiting', 'Rows of batches that wait.', waiting),
    one('onebit_jobs_running', 'Rows of batches that are being answered.', running),
    one('onebit_jobs_oldest_seconds', 'Age of the oldest batch that has not ended.', oldestSeconds),
    one('onebit_jobs_workers', 'Processes that answer rows for this queue.', workers.length),
    new Gauge(
      'onebit_jobs_workers_leaving',
      'Workers that leave rows to others, by reason: where no other takes them, they wait.',
      () => [...leaving].map(([reason, count]) => [{ reason }, count] as const),
    ),
    one('onebit_job_rows_total', 'Rows of batches that were answered; its rate is rows a second.', done, 'counter'),
    new Gauge(
      'onebit_job_failures_total',
      'Rows of batches that were answered with an error, by reason.',
      () => Object.entries(failed).map(([reason, count]) => [{ reason }, count] as const),
      'counter',
    ),
  ];
}
