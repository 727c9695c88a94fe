// Owns telling another system of hand-overs: signed POST requests as https://www.standardwebhooks.com describes them, tried again where they fail. Must not know
// what is told.

import { sleep } from '../core/sleep.ts';
import { withinTime } from '../core/within-time.ts';
import { OnebitError } from '../errors.ts';

export interface WebhookOptions {
  readonly url: string;
  /** `whsec_` and base64, or any text of at least 16 characters. */
  readonly secret: string;
  /** Milliseconds before each further try. Default: after 1 s, 10 s and a minute. */
  readonly retryMs?: readonly number[];
  /** Told of what could not be delivered, without its contents. */
  readonly onFailure?: (id: string, reason: string) => void;
}

const RETRY_MS = [1000, 10_000, 60_000];
const TIMEOUT_MS = 10_000;
/** Deliveries that wait; more are dropped, and told as failures. */
const MOST_WAITING = 1000;
const LEAST_SECRET = 16;

/** Delivers events in the background. */
export class Webhooks {
  private readonly options: WebhookOptions;
  private readonly key: Promise<CryptoKey>;
  private readonly waiting = new Set<Promise<void>>();
  private readonly closing = new AbortController();

  /** @throws OnebitError `bad-argument` for what is no address or too short a secret */
  constructor(options: WebhookOptions) {
    const url = URL.canParse(options.url) ? new URL(options.url) : undefined;
    if (url?.protocol !== 'https:' && url?.protocol !== 'http:') {
      throw new OnebitError('bad-argument', 'webhook: the address must begin with https:// or http://. Correct it.');
    }
    this.options = options;
    const bytes = secretBytes(options.secret);
    this.key = crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  }

  /** Sends an event; never throws, nobody waits for it. */
  send(type: string, id: string, data: object): void {
    if (this.waiting.size >= MOST_WAITING) {
      this.options.onFailure?.(id, `${MOST_WAITING} others wait`);
      return;
    }
    const body = JSON.stringify({ type, timestamp: new Date().toISOString(), data });
    const delivery = this.deliver(`msg_${id}`, body).catch((error) => this.options.onFailure?.(id, reasonOf(error)));
    this.waiting.add(delivery);
    void delivery.finally(() => this.waiting.delete(delivery));
  }

  /** Waits for what is under way, at most `ms`, then gives the rest up. */
  async drain(ms: number): Promise<void> {
    const timer = setTimeout(() => this.closing.abort(new Error('the server ends')), ms);
    await Promise.all(this.waiting);
    clearTimeout(timer);
  }

  private async deliver(id: string, body: string): Promise<void> {
    const { url, retryMs = RETRY_MS } = this.options;
    for (let attempt = 0; ; attempt++) {
      try {
        const headers = await this.headers(id, body);
        const response = await withinTime(TIMEOUT_MS, this.closing.signal, (signal) =>
          fetch(url, { method: 'POST', body, headers, redirect: 'error', signal }),
        );
        await response.body?.cancel();
        if (response.ok) return;
        throw new Error(`answered ${response.status}`);
      } catch (error) {
        if (attempt >= retryMs.length || this.closing.signal.aborted) throw error;
        await sleep(retryMs[attempt], this.closing.signal);
      }
    }
  }

  private async headers(id: string, body: string): Promise<Record<string, string>> {
    const timestamp = String(Math.floor(Date.now() / 1000));
    const signed = new TextEncoder().encode(`${id}.${timestamp}.${body}`);
    const signature = new Uint8Array(await crypto.subtle.sign('HMAC', await this.key, signed));
    return {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': `v1,${btoa(String.fromCharCode(...signature))}`,
    };
  }
}

function secretBytes(secret: string): Uint8Array<ArrayBuffer> {
  const coded = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret.trim())?.[1];
  const bytes = coded
    ? Uint8Array.from(atob(coded), (char) => char.charCodeAt(0))
    : new TextEncoder().encode(secret.trim());
  if (bytes.length >= LEAST_SECRET) return bytes;
  throw new OnebitError(
    'bad-argument',
    `webhook: the secret must have at least ${LEAST_SECRET} bytes, got ${bytes.length}. Take a longer one.`,
  );
}

function reasonOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? `${message}: ${cause.message}` : message;
}
