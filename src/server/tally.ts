// Owns what is counted of requests that have ended: of all, or of those of one key. The names of what concerns the model are vLLM's.
import type { Exchange } from './exchange.ts';
import { Counter, type Family, Histogram } from './metrics.ts';

/** Counts requests. */
export class Tally {
  private readonly http = new Counter('http_requests_total', 'Requests by route and status.');
  private readonly httpSeconds = new Histogram('http_request_duration_seconds', 'Time until the last byte.');
  private readonly success = new Counter('vllm:request_success_total', 'Answers by the reason of their end.');
  private readonly prompt = new Counter('vllm:prompt_tokens_total', 'Tokens of prompts.');
  private readonly cached = new Counter('vllm:prompt_tokens_cached_total', 'Tokens of prompts that the cache held.');
  private readonly generated = new Counter('vllm:generation_tokens_total', 'Tokens of answers.');
  private readonly byKey = new Counter('onebit_key_tokens_total', 'Tokens by API key, prompt and completion.');
  private readonly firstToken = new Histogram('vllm:time_to_first_token_seconds', 'Time to the first token.');
  private readonly perToken = new Histogram('vllm:time_per_output_token_seconds', 'Time between tokens.');
  private readonly whole = new Histogram('vllm:e2e_request_latency_seconds', 'Time of a whole generation.');

  /** All of it, for the page of metrics. */
  get families(): Family[] {
    const { firstToken, perToken, whole, http, httpSeconds, success, prompt, cached, generated, byKey } = this;
    return [http, httpSeconds, success, prompt, cached, generated, byKey, firstToken, perToken, whole];
  }

  /** Counts a request that took `seconds`. */
  add(exchange: Exchange, seconds: number): void {
    this.http.add({ method: exchange.method, handler: exchange.route, status: exchange.status });
    this.httpSeconds.observe({ handler: exchange.route }, seconds);
    if (exchange.modelId !== undefined) this.addGeneration(exchange, exchange.modelId, seconds);
  }

  private addGeneration(exchange: Exchange, model_name: string, seconds: number): void {
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
}
