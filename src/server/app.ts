// Owns the HTTP routes over web-standard Request and Response: who may ask, which model answers, errors in the API's form. Must not know a platform.

import { type Context, Hono } from 'hono';
import { cors } from 'hono/cors';
import type { JobStore } from '../bulk/job-store.ts';
import { checkArgument, checkGiven } from '../core/check.ts';
import { hexOf, sha256 } from '../core/digest.ts';
import { checkAbstain } from '../generate/abstain.ts';
import { checkWatermarkKey } from '../generate/watermark-key.ts';
import type { LanguageModel } from '../language-model.ts';
import type { SupportModel } from '../tasks/support/support-model.ts';
import { answerRules } from './answer-rules.ts';
import { ApiError, badField, invalidUrl, toApiError } from './api-error.ts';
import { AuditLog, audited, isAudited, unaudited } from './audit.ts';
import { BackgroundResponses } from './background.ts';
import type { LineAnswer } from './batch-run.ts';
import { BodyGate } from './body-gate.ts';
import { checkBody } from './check-body.ts';
import { eventStream, type ServerEvent } from './event-stream.ts';
import { type Asked, Exchange } from './exchange.ts';
import type { QueueWork } from './job-queue.ts';
import { Jobs } from './jobs.ts';
import { jsonAnswer } from './json-answer.ts';
import { isOperator, KeyRing } from './keys.ts';
import { DEFAULT_LIMITS, type ServerLimits } from './limits.ts';
import { loadedShelf, ModelShelf } from './model-shelf.ts';
import { ServerObserver } from './observe.ts';
import { openApiDocument } from './openapi.ts';
import { type Answerer, type AskedModel, bound, type Operation } from './operation.ts';
import { OPERATIONS, operationOf } from './operations.ts';
import { SITE_PATHS, siteResponse } from './page.ts';
import { PolicyGate } from './policy.ts';
import { readBody } from './request-body.ts';
import { ResponseStore, type Responses } from './response-store.ts';
import { isClientGone, nothingAt, nothingHere, pathOf, routeOf, routePath, shuttingDown } from './route-facts.ts';
import type { ResponsesRequest } from './schemas/responses.ts';
import type { ServerOptions } from './server-options.ts';
import { signedAnswer } from './signed-answers.ts';
import { Webhooks } from './webhooks.ts';

export type { ServerOptions, SharedState } from './server-options.ts';

/** How long requests that were stopped may take to see it, at the end of the server. */
const LATEST_END_MS = 5000;

/** What needs a key where there are keys: everything that asks a model. */
const GUARDED = ['/v1/*', '/api/*', '/apply-template'];

type Env = { Bindings: { exchange: Exchange } };
type Ctx = Context<Env>;

/** Serves the models of a shelf: give it requests, it gives responses. Runs wherever `fetch` handlers do. */
export class OnebitServer {
  readonly shelf: ModelShelf;
  private readonly keys: KeyRing | undefined;
  private readonly options: ServerOptions;
  private readonly limits: ServerLimits;
  private readonly observer: ServerObserver;
  /** @internal */
  readonly responses: Responses;
  /** @internal */
  readonly background: BackgroundResponses;
  /** @internal */
  readonly webhooks: Webhooks | undefined;
  private readonly gate: BodyGate;
  private readonly policy: PolicyGate | undefined;
  private readonly audit: AuditLog | undefined;
  private readonly active = new Set<Exchange>();
  private readonly app: Hono<Env>;
  private openedJobs: Promise<Jobs> | undefined;
  private draining = false;
  private whenIdle: () => void = () => {};

  constructor(models: ModelShelf | LanguageModel, options: ServerOptions = {}) {
    if (!(models instanceof ModelShelf))
      checkGiven('new OnebitServer', 'models', models, 'load', ['config', 'tokenizer']);
    checkArgument('new OnebitServer', 'options', options, 'object');
    this.shelf = models instanceof ModelShelf ? models : loadedShelf(models);
    this.keys = options.keys && options.keys.length > 0 ? new KeyRing(options.keys, options.state?.quota) : undefined;
    this.options = options;
    if (options.watermark !== undefined) checkWatermarkKey(options.watermark);
    if (options.abstain !== undefined) checkAbstain(options.abstain);
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    const storedBytes = this.limits.storedCharacters ?? this.limits.storedBytes;
    this.responses = options.state?.responses ?? new ResponseStore(storedBytes);
    this.background = new BackgroundResponses(this.responses, this.limits.requestMs);
    this.gate = new BodyGate(this.limits.bodiesBytes);
    this.observer = new ServerObserver(this.shelf, options);
    this.policy =
      options.policy &&
      new PolicyGate(options.policy, (error) => this.observer.log('policy_failed', { error: String(error) }));
    this.audit = options.audit && new AuditLog(options.audit);
    const { webhook } = options;
    const onFailure = (request: string, error: string) => this.observer.log('webhook_failed', { request, error });
    this.webhooks = webhook && new Webhooks({ onFailure, ...webhook });
    this.app = this.routes();
  }

  /** Answers a request, whatever it asks. Throws `bad-argument` for what is no Request. */
  readonly fetch = async (request: Request): Promise<Response> => {
    checkGiven('fetch', 'request', request, 'the platform (a Request)', ['method', 'url', 'headers', 'signal']);
    const exchange = this.begin(request);
    let response: Response;
    try {
      // A log that cannot be written any more costs no answer.
      if (this.audit?.failure !== undefined && isAudited(exchange)) throw unaudited(this.audit.failure);
      response = await this.app.fetch(request, { exchange });
    } catch (error) {
      response = this.refuse(error, exchange);
    }
    if (this.options.signer) response = await signedAnswer(response, exchange, this.options.signer);
    exchange.status = response.status;
    if (this.audit && isAudited(exchange)) response = await this.writtenDown(response, exchange, this.audit);
    response.headers.set('x-request-id', exchange.id);
    response.headers.set('x-content-type-options', 'nosniff');
    if (!exchange.streaming) exchange.end();
    return response;
  };

  private begin(asked: Asked): Exchange {
    const exchange = new Exchange(asked, this.limits, { requestEnded: (ended) => this.finish(ended) });
    exchange.watermark = this.options.watermark;
    exchange.abstain = this.options.abstain;
    this.active.add(exchange);
    return exchange;
  }

  private async writtenDown(response: Response, exchange: Exchange, audit: AuditLog): Promise<Response> {
    try {
      if (audit.failure !== undefined) throw audit.failure;
      return await audited(response, exchange, audit);
    } catch (error) {
      this.observer.log('audit_failed', { error: String(error) });
      exchange.streaming = false;
      const refused = this.refuse(unaudited(error), exchange);
      // Afterwards: a stream that is cancelled is one whose client has gone.
      await response.body?.cancel().catch(() => {});
      exchange.status = refused.status;
      return refused;
    }
  }

  /** Takes no more requests and waits for those that run, at most `ms`; then stops them. */
  async drain(ms: number): Promise<void> {
    this.draining = true;
    this.observer.log('draining', { requests: this.active.size });
    await this.openedJobs?.then((jobs) => jobs.close()).catch((error) => this.failed(error));
    if (this.active.size === 0) return this.webhooks?.drain(ms);
    const idle = new Promise<void>((resolve) => {
      this.whenIdle = resolve;
    });
    const timer = setTimeout(() => {
      for (const exchange of this.active) exchange.abort(shuttingDown());
    }, ms);
    const late = setTimeout(this.whenIdle, ms + LATEST_END_MS);
    await idle;
    clearTimeout(timer);
    clearTimeout(late);
    await this.webhooks?.drain(ms);
  }

  /** Puts all models away. */
  dispose(): Promise<void> {
    return this.shelf.dispose();
  }

  private routes(): Hono<Env> {
    const app = new Hono<Env>({ getPath: pathOf });
    const { corsOrigins } = this.options;
    app.use('*', async (c, next) => {
      if (!URL.canParse(c.req.url)) throw invalidUrl();
      c.env.exchange.route = routeOf(c);
      this.checkHost(c);
      await next();
    });
    if (corsOrigins?.length) app.use('*', cors({ origin: corsOrigins.includes('*') ? '*' : [...corsOrigins] }));
    for (const path of SITE_PATHS) app.get(path, (c) => this.page(c.req.raw, c.req.path));
    if (!this.options.openMetrics) {
      app.use('/metrics', async (c, next) => {
        c.env.exchange.key = await this.identify(c);
        await next();
      });
    }
    for (const path of GUARDED) {
      app.use(path, async (c, next) => {
        if (this.draining) throw shuttingDown();
        c.env.exchange.key = await this.identify(c);
        await c.env.exchange.key?.admit();
        await next();
      });
    }
    for (const operation of OPERATIONS) {
      app.on(operation.method.toUpperCase(), routePath(operation), (c) => this.perform(operation, c));
    }
    app.notFound((c) => this.refuse(nothingAt(c.req, this.app.routes), c.env.exchange));
    app.onError((error, c) => this.refuse(error, c.env.exchange));
    return app;
  }

  /** Answers a request by its operation. */
  private async perform(operation: Operation, c: Ctx): Promise<Response> {
    const { exchange } = c.env;
    const body = operation.body && (await checkBody(operation.body, await this.readJson(c), exchange.budget));
    if (operation.plain) {
      const parameter = operation.parameter === undefined ? '' : (c.req.param(operation.parameter) ?? '');
      const query = (name: string) => c.req.query(name);
      const answer = await operation.plain(this, { parameter, query, body, request: c.req.raw, job: exchange });
      return answer instanceof Response ? answer : jsonAnswer(answer, exchange.signal);
    }
    if (this.options.logTexts) exchange.prompt = body;
    const asked = body as AskedModel;
    if (asked.background && operation.id === 'createResponse')
      return jsonAnswer(await this.later(operation, asked, exchange), exchange.signal);
    const answers = await this.policed(await this.answerer(operation, asked, exchange), asked, exchange);
    const streams = asked.stream ?? exchange.errorForm === 'ollama';
    if (!answers.stream || !streams) return jsonAnswer(await answers.whole(), exchange.signal);
    return this.stream(answers.stream(), exchange);
  }

  /** What `answers` gives, once the policy has seen it. */
  private async policed(answers: Answerer, body: AskedModel, job: Exchange): Promise<Answerer> {
    const { policy } = this;
    if (!policy) return answers;
    await policy.checkRequest(job, body);
    const { whole, stream } = answers;
    return {
      whole: async () => policy.whole(await whole(), job, body),
      ...(stream ? { stream: () => policy.stream(stream(), job, body) } : {}),
    };
  }

  /** Who answers a body that was checked: the support model where it is meant, else a language model, which stays loaded until the end of the job. */
  private async answerer(operation: Operation, body: AskedModel, job: Exchange): Promise<Answerer> {
    const { support } = this.options;
    if (operation.support && support && this.isForSupport(operation, body, support)) {
      return bound(operation.support, support, body, job, this);
    }
    if (!operation.model) {
      const advice = support ? `The support model here is ${support.facts.name}` : 'There is no support model here';
      throw new ApiError(404, `${advice}.`, { code: 'model_not_found', param: 'model' });
    }
    const askedMs = performance.now();
    const model = job.use(await job.budget.wait('load', this.shelf.borrow(body.model ?? body.name, job.signal)));
    job.loadMs = performance.now() - askedMs;
    return bound(operation.model, model, body, job, this);
  }

  /** What support models do is for it unless another is named; a chat is where it is named. Where it is alone, whatever the name. */
  private isForSupport(operation: Operation, { model }: AskedModel, support: SupportModel): boolean {
    const isNamed = model === support.facts.name;
    const isAlone = operation.model !== undefined && this.shelf.ids.length === 0;
    const waitsForName = operation.model !== undefined && !operation.supportFirst;
    return isNamed || isAlone || (!waitsForName && model == null);
  }

  /** The body as JSON; large ones are read as long as there is room for them. */
  private readJson(c: Ctx): Promise<unknown> {
    const { exchange } = c.env;
    const { budget, signal, owner } = exchange;
    const cut = (error: ApiError) => exchange.abort(error);
    const enter = async (bytes: number) => {
      const room = await this.gate.enter({ owner, bytes, signal, cut });
      exchange.enterGate(room.leave);
      return room;
    };
    const onBytes = this.audit && exchange.keepRequest(this.options.audit?.texts ?? false);
    return readBody(c.req.raw, { maxBytes: this.limits.bodyBytes, budget, enter, onBytes });
  }

  get support(): SupportModel | undefined {
    return this.options.support;
  }

  /** Names of all models, the default one first. */
  get modelIds(): string[] {
    const { support } = this.options;
    return support ? [...this.shelf.ids, support.facts.name] : this.shelf.ids;
  }

  private async stream(events: AsyncIterator<ServerEvent>, exchange: Exchange): Promise<Response> {
    const { errorForm } = exchange;
    const response = await eventStream(events, {
      ...this.limits,
      form: errorForm === 'ollama' ? 'lines' : 'events',
      abort: (reason) => exchange.abort(reason),
      onError: (error) => {
        exchange.error = toApiError(error);
        return [{ event: errorForm === 'anthropic' ? 'error' : undefined, data: exchange.error.bodyIn(errorForm) }];
      },
      onEnd: () => exchange.end(),
    });
    exchange.streaming = true;
    return response;
  }

  private finish(exchange: Exchange): void {
    this.active.delete(exchange);
    this.observer.requestEnded(exchange);
    if (this.draining && this.active.size === 0) this.whenIdle();
  }

  private checkHost(c: Ctx): void {
    const { hosts } = this.options;
    if (!hosts || hosts.includes(new URL(c.req.url).hostname)) return;
    throw new ApiError(403, 'This server is not to be called by this name (header Host). See --allow-host.', {
      code: 'host_not_allowed',
    });
  }

  private async identify(c: Ctx) {
    const key = c.req.header('x-api-key'); // Anthropic's clients
    return this.keys?.identify(c.req.header('authorization') ?? (key === undefined ? null : `Bearer ${key}`));
  }

  get fileBytes(): number {
    return this.limits.fileBytes;
  }

  /** @internal */
  async jobs(): Promise<Jobs> {
    const { openJobs } = this.options;
    if (!openJobs) throw new ApiError(404, 'This server keeps no files and batches.', { code: 'no_files_here' });
    this.openedJobs ??= openJobs().then((store) => {
      const endpoints = OPERATIONS.filter(({ inBatches }) => inBatches).map(({ path }) => path);
      const work = this.queueWork(store);
      const { filesBytes } = this.limits;
      return new Jobs({ ...work, endpoints, filesBytes, queue: this.options.openQueue?.(work) });
    });
    this.openedJobs.catch(() => {
      this.openedJobs = undefined; // the next one tries again
    });
    return this.openedJobs;
  }

  /** What works off batches in `store` is given. @internal */
  queueWork(store: JobStore): QueueWork {
    return {
      store,
      answer: this.answerLine.bind(this),
      onError: (error) => this.failed(error),
      now: () => Math.floor(Date.now() / 1000),
      models: () => this.modelIds,
      knows: (owner) => (this.keys ? this.keys.withId(owner) !== undefined : owner === ''),
      rulesFor: (owner) =>
        answerRules(this.keys?.withId(owner)?.watermark ?? this.options.watermark, this.options.policy),
      modelFor: (endpoint) => {
        const operation = operationOf(endpoint);
        const { support } = this.options;
        return operation.support && support && this.isForSupport(operation, {}, support)
          ? support.facts.name
          : this.shelf.ids[0];
      },
    };
  }

  /** Answers a line of a batch, as its request would have been answered, after everybody who waits. */
  private async answerLine(endpoint: string, body: unknown, owner: string, signal: AbortSignal): Promise<LineAnswer> {
    const operation = operationOf(endpoint);
    const job = this.beginLater(endpoint, signal);
    const prepare = async () => {
      job.key = this.keys?.withId(owner);
      job.batchOwner = owner;
      if (this.keys && !job.key) throw new ApiError(401, 'The key of this batch is not known here any more.');
      await job.key?.admit(true);
      const asked = (await checkBody(operation.body!, body, job.budget)) as AskedModel;
      if (asked.background) throw badField('background', 'background: lines of a batch must leave it out.');
      return asked;
    };
    return this.answerLater(job, prepare, (asked) => this.answerer(operation, asked, job));
  }

  /**
   * Answers what came by another way than HTTP, as a tool that is called: the policy sees it before and after, the audit log has it, `job.allowed` marks what the model
   * writes. Never throws. @internal
   */
  async answerCall(
    route: string,
    asked: AskedModel,
    signal: AbortSignal,
    answer: (job: Exchange) => Promise<object>,
  ): Promise<LineAnswer> {
    const job = this.begin({ method: 'POST', url: `http://call/${route}`, signal });
    Object.assign(job, { route, status: 200 });
    if (this.audit)
      job.keepRequest(this.options.audit?.texts ?? false)(new TextEncoder().encode(JSON.stringify(asked)));
    return this.answerLater(
      job,
      async () => asked,
      async () => ({ whole: () => answer(job) }),
    );
  }

  /** Takes a request that is answered when nobody who waits is before it. */
  private later(operation: Operation, asked: AskedModel, { key, owner }: Exchange): Promise<object> {
    return this.background.start(asked as ResponsesRequest, owner, {
      begin: (signal) =>
        Object.assign(this.beginLater(operation.path, signal), { key, modelId: asked.model ?? this.modelIds[0] }),
      answer: (job, onStart) =>
        this.answerLater(
          job,
          async () => asked,
          () => this.answerer(operation, asked, job),
          onStart,
        ),
    });
  }

  private beginLater(path: string, signal: AbortSignal): Exchange {
    const job = this.begin({ method: 'POST', url: `http://batch${path}`, signal, priority: 'background' });
    job.route = path;
    job.status = 200;
    return job;
  }

  /** The answer to a job that no connection waits for. */
  private async answerLater(
    job: Exchange,
    prepare: () => Promise<AskedModel>,
    answererOf: (asked: AskedModel) => Promise<Answerer>,
    onStart?: () => Promise<void>,
  ): Promise<LineAnswer> {
    try {
      const asked = await prepare();
      if (this.options.logTexts) job.prompt = asked;
      const answers = await this.policed(await answererOf(asked), asked, job);
      await onStart?.();
      const answer = await answers.whole();
      await this.audit?.record(job, hexOf(await sha256(JSON.stringify(answer))));
      return { status: 200, requestId: job.id, body: answer };
    } catch (error) {
      const refused = toApiError(job.signal.aborted ? job.signal.reason : error);
      job.error = refused;
      job.status = refused.status;
      await this.audit?.record(job, undefined).catch(() => {}); // it is refused already
      return { status: refused.status, requestId: job.id, body: refused, retrySeconds: refused.retryAfterSeconds };
    } finally {
      job.end();
    }
  }

  private failed(error: unknown): void {
    this.observer.log('jobs_failed', { error: String(error) });
  }

  openApi(): object {
    return openApiDocument();
  }

  /** @internal */
  async metrics({ key }: Exchange): Promise<Response> {
    const headers = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' };
    const jobs = isOperator(key)
      ? await this.openedJobs?.then(({ queue }) => queue.stats()).catch(() => undefined)
      : undefined;
    return new Response(this.observer.render(key, jobs), { headers });
  }

  async page(request: Request, path: string): Promise<Response> {
    const { site } = this.options;
    const found = site && (await siteResponse(site, path, request.headers.get('accept-encoding') ?? undefined));
    if (found) return found;
    throw nothingHere();
  }

  ready(): Response {
    const loaded = [...this.shelf.loaded()].map(({ id }) => id);
    if (this.options.support) loaded.push(this.options.support.facts.name);
    let status = loaded.length > 0 ? 'ready' : 'no model is loaded';
    if (this.audit?.failure !== undefined) status = 'the audit log cannot be written'; // nothing is answered
    if (this.draining) status = 'draining';
    return Response.json({ status, models: loaded }, { status: status === 'ready' ? 200 : 503 });
  }

  get version(): string {
    return this.options.version ?? '';
  }

  private refuse(thrown: unknown, exchange: Exchange): Response {
    const reason = exchange.signal.aborted ? exchange.signal.reason : thrown;
    const error = isClientGone(reason)
      ? new ApiError(499, 'The client has gone.', { code: 'aborted' })
      : toApiError(reason);
    exchange.error = error;
    return error.toResponse(exchange.errorForm);
  }
}
