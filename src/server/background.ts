// Owns answers of /v1/responses that nobody waits for (`background: true`): which of them run, what is kept of each meanwhile, how they are stopped. Must not know HTTP.
import type { Budget } from '../core/budget.ts';
import { ApiError, badField } from './api-error.ts';
import type { LineAnswer } from './batch-run.ts';
import type { Exchange } from './exchange.ts';
import type { Responses, StoredResponse } from './response-store.ts';
import { responseBody, responseId } from './responses.ts';
import { noSuchResponse } from './route-facts.ts';
import type { ResponsesRequest } from './schemas/responses.ts';

/** Answers of one owner, and of all, that may wait or run. */
const MOST_OF_OWNER = 16;
const MOST = 256;
/** So much longer than a request may take nothing runs any more. */
const LATE_SECONDS = 60;

interface Running {
  readonly owner: string;
  readonly stop: AbortController;
  readonly end: Promise<void>;
}

/** What a server does for one. */
export interface BackgroundWork {
  /** The job, which ends with the signal. */
  readonly begin: (signal: AbortSignal) => Exchange;
  /** Makes the whole answer, which is kept where that is done; tells when it begins. Never throws. */
  readonly answer: (job: Exchange, onStart: () => Promise<void>) => Promise<LineAnswer>;
}

/** Answers that run in this process. Their state is kept with all other answers: with shared ones any replica tells it. */
export class BackgroundResponses {
  private readonly responses: Responses;
  private readonly requestMs: number;
  private readonly running = new Map<string, Running>();

  constructor(responses: Responses, requestMs: number) {
    this.responses = responses;
    this.requestMs = requestMs;
  }

  /** Takes a request; what is given at once is an answer that is queued. @throws ApiError 400, 429 */
  async start(request: ResponsesRequest, owner: string, { begin, answer }: BackgroundWork): Promise<object> {
    if (request.stream)
      throw badField('stream', 'stream: an answer in the background cannot be streamed. Ask for it by its id.');
    if (request.store === false)
      throw badField('store', 'store: an answer in the background must be kept, or nobody would find it.');
    const own = [...this.running.values()].filter((run) => run.owner === owner).length;
    if (own >= MOST_OF_OWNER || this.running.size >= MOST) {
      const message = `At most ${own >= MOST_OF_OWNER ? MOST_OF_OWNER : MOST} answers may be made in the background at once.`;
      throw new ApiError(429, message, { code: 'too_many_in_background', retryAfterSeconds: 10 });
    }
    const stop = new AbortController();
    const job = begin(stop.signal);
    const id = responseId(job);
    const created_at = Math.floor(Date.now() / 1000);
    const body = (status: string) =>
      responseBody(request, job, { id, created_at, status, cutBy: '', output: [] }) as Record<string, unknown>;
    const put = async (response: object) => this.responses.put(id, owner, { response, input: [], items: [] });
    const run = async () => {
      const outcome = await answer(job, async () => put(body('in_progress')));
      if (stop.signal.aborted) await put({ ...body('cancelled'), error: null });
      else if (outcome.status !== 200) await put({ ...body('failed'), error: failureOf(outcome.body) });
    };
    const queued = body('queued');
    // Before it runs, and before anything is waited for: whoever asks at once must be counted.
    let started: () => void = () => {};
    const mayStart = new Promise<void>((resolve) => {
      started = resolve;
    });
    const end = mayStart
      .then(run)
      .catch(() => {})
      .finally(() => this.running.delete(id));
    this.running.set(id, { owner, stop, end });
    try {
      await put(queued);
    } catch (error) {
      stop.abort(error);
      job.end();
      throw error;
    } finally {
      started();
    }
    return queued;
  }

  /** Stops an answer; one that is there already stays. @throws ApiError 404, 400 for one that was not made in the background */
  async cancel(id: string, owner: string, budget: Budget): Promise<object> {
    const run = this.running.get(id);
    const found = await this.get(id, owner, budget);
    const response = found.response as Record<string, unknown>;
    if (response.background !== true) {
      throw new ApiError(400, 'Only an answer that is made in the background can be cancelled.', { param: 'id' });
    }
    if (!isUnfinished(response)) return response;
    if (run?.owner === owner) {
      run.stop.abort(new ApiError(499, 'The answer was cancelled.', { code: 'cancelled' }));
      await run.end;
      return (await this.get(id, owner, budget)).response;
    }
    // Another replica makes it: it will see that nobody wants it any more.
    const cancelled = { ...response, status: 'cancelled' };
    await this.responses.put(id, owner, { ...found, response: cancelled });
    return cancelled;
  }

  /** Forgets an answer, made or not. @throws ApiError 404 */
  async delete(id: string, owner: string): Promise<void> {
    const run = this.running.get(id);
    if (run?.owner === owner) {
      run.stop.abort(new ApiError(499, 'The answer was deleted.', { code: 'cancelled' }));
      await run.end;
    }
    if (!(await this.responses.delete(id, owner))) throw noSuchResponse();
  }

  /** An answer that is kept, or how far it is. @throws ApiError 404 */
  async get(id: string, owner: string, budget: Budget): Promise<StoredResponse> {
    const found = await this.responses.get(id, owner, budget);
    if (!found) throw noSuchResponse();
    const response = found.response as Record<string, unknown>;
    const age = Date.now() / 1000 - Number(response.created_at);
    if (!isUnfinished(response) || this.running.has(id) || age < this.requestMs / 1000 + LATE_SECONDS) return found;
    const error = { code: 'server_error', message: 'The server that was to answer has ended. Ask again.' };
    return { ...found, response: { ...response, status: 'failed', error } };
  }
}

/** Whether an answer is still to be made. */
export function isUnfinished(response: object): boolean {
  const { status } = response as { status?: string };
  return status === 'queued' || status === 'in_progress';
}

/** An error as answers have it. */
function failureOf(body: unknown): { code: string; message: string } {
  const { code, message } = body as Partial<ApiError>;
  const isKnown = code === 'rate_limit_exceeded' || code === 'invalid_prompt';
  return { code: isKnown ? code : 'server_error', message: message ?? 'It failed.' };
}
