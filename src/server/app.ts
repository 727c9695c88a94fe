// Owns the HTTP routes over web-standard Request and Response: who may ask, which model answers, errors in the API's form. Must not know a platform.
import { type Context, Hono } from 'hono';
import { cors } from 'hono/cors';
import type { z } from 'zod';
import { Budget } from '../core/budget.ts';
import { checkWatermarkKey } from '../generate/watermark.ts';
import type { LanguageModel } from '../language-model.ts';
import { likelihoodDecider, supportDecider } from '../tasks/decide/index.ts';
import type { SupportModel } from '../tasks/support/support-model.ts';
import { countTokens, message, messageEvents } from './anthropic.ts';
import { ApiError, invalidUrl, toApiError } from './api-error.ts';
import { applyTemplate, applyTemplateRequest } from './apply-template.ts';
import { BodyGate } from './body-gate.ts';
import { chatChunks, chatCompletion } from './chat-completions.ts';
import { checkBody } from './check-body.ts';
import { completion, completionChunks } from './completions.ts';
import { decisions, type NamedDecider, systemOne } from './decisions.ts';
import { embeddings } from './embeddings.ts';
import { eventStream, type ServerEvent } from './event-stream.ts';
import { Exchange, type LogEntry } from './exchange.ts';
import { jsonPieces } from './json-answer.ts';
import { isSmall } from './json-size.ts';
import { type KeyConfig, KeyRing } from './keys.ts';
import { DEFAULT_LIMITS, type ServerLimits } from './limits.ts';
import { ModelShelf } from './model-shelf.ts';
import { ServerObserver } from './observe.ts';
import { ollamaAnswer, ollamaEmbed, ollamaEmbedding, ollamaLines } from './ollama.ts';
import { ollamaModels, ollamaShow } from './ollama-models.ts';
import { openApiDocument } from './openapi.ts';
import { SITE_PATHS, type SiteFiles, siteResponse } from './page.ts';
import { announcedBytes, readBody } from './request-body.ts';
import { countInput, inputList } from './response-input.ts';
import { ResponseStore, type StoredResponse } from './response-store.ts';
import { response, responseEvents } from './responses.ts';
import { isClientGone, modelObject, noSuchResponse, pathOf, patternOf, routeOf, shuttingDown } from './route-facts.ts';
import { countRequest, messagesRequest } from './schemas/anthropic.ts';
import { chatRequest } from './schemas/chat.ts';
import { decisionsRequest, systemOneRequest } from './schemas/decisions.ts';
import {
  ollamaChatRequest,
  ollamaEmbeddingRequest,
  ollamaEmbedRequest,
  ollamaGenerateRequest,
  ollamaShowRequest,
} from './schemas/ollama.ts';
import { completionRequest, detokenizeRequest, embeddingRequest, tokenizeRequest } from './schemas/others.ts';
import { responsesRequest } from './schemas/responses.ts';
import { classifyRequest, routeRequest } from './schemas/support.ts';
import { type AnswerSigner, signedAnswer } from './signed-answers.ts';
import { classify, route, supportChat, supportChatChunks } from './support.ts';
import { detokenize, tokenize } from './tokens.ts';

export interface ServerOptions {
  /** Who may ask. Default: everybody. */
  readonly keys?: readonly KeyConfig[];
  /** Answer /metrics without a key too. Default false. */
  readonly openMetrics?: boolean;
  /** Origins whose pages may ask; `*` for all. Default: none but the server's own. */
  readonly corsOrigins?: readonly string[];
  /** Names by which the server may be called, against pages that give their own name the server's address. Default: any. */
  readonly hosts?: readonly string[];
  readonly limits?: Partial<ServerLimits>;
  /** A secret key by which all answers are marked, except to keys that have one of their own. No request can turn it off. */
  readonly watermark?: string;
  /** Signs the answers of models. Default: they are not signed. */
  readonly signer?: AnswerSigner;
  /** Says what customers' queries are about: /v1/classify, /v1/route, and chats with the model of its name (or of any, where it is alone). */
  readonly support?: SupportModel;
  /** Told of every request that has ended, and of what happens to the server. */
  readonly log?: (entry: LogEntry) => void;
  /** Put the texts of prompts and answers into the log. Default false. */
  readonly logTexts?: boolean;
  /** Of this software, for those who ask. */
  readonly version?: string;
  /** The page at `/`. Default: none. */
  readonly site?: SiteFiles;
  /** Bytes that the process holds, for the metrics. */
  readonly residentBytes?: () => number;
}

/** How long requests that were stopped may take to see it, at the end of the server. */
const LATEST_END_MS = 5000;

/** What needs a key where there are keys: everything that asks a model. */
const GUARDED = ['/v1/*', '/api/*', '/apply-template'];

type Env = { Bindings: { exchange: Exchange } };
type Ctx = Context<Env>;

/** What the bodies of all routes that need a model may say. */
interface Asked {
  readonly model?: string | null;
  readonly stream?: boolean | null;
}

/** What answers a route that needs a model. */
interface Answers<Body> {
  readonly whole: (model: LanguageModel, body: Body, exchange: Exchange) => object | Promise<object>;
  readonly stream?: (model: LanguageModel, body: Body, exchange: Exchange) => AsyncIterator<ServerEvent>;
}

/** Serves the models of a shelf: give it requests, it gives responses. Runs wherever `fetch` handlers do. */
export class OnebitServer {
  readonly shelf: ModelShelf;
  private readonly keys: KeyRing | undefined;
  private readonly options: ServerOptions;
  private readonly limits: ServerLimits;
  private readonly observer: ServerObserver;
  private readonly responses: ResponseStore;
  private readonly gate: BodyGate;
  private readonly active = new Set<Exchange>();
  private readonly app: Hono<Env>;
  private draining = false;
  private whenIdle: () => void = () => {};

  constructor(models: ModelShelf | LanguageModel, options: ServerOptions = {}) {
    this.shelf = models instanceof ModelShelf ? models : loadedShelf(models);
    this.keys = options.keys && options.keys.length > 0 ? new KeyRing(options.keys) : undefined;
    this.options = options;
    if (options.watermark !== undefined) checkWatermarkKey(options.watermark);
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.responses = new ResponseStore(this.limits.storedCharacters ?? this.limits.storedBytes);
    this.gate = new BodyGate(this.limits.bodiesBytes);
    this.observer = new ServerObserver(this.shelf, options);
    this.app = this.routes();
  }

  /** Answers a request. Never throws. */
  readonly fetch = async (request: Request): Promise<Response> => {
    const exchange = new Exchange(request, this.limits, { requestEnded: (ended) => this.finish(ended) });
    exchange.watermark = this.options.watermark;
    this.active.add(exchange);
    let response: Response;
    try {
      response = await this.app.fetch(request, { exchange });
    } catch (error) {
      response = this.refuse(error, exchange);
    }
    if (this.options.signer) response = await signedAnswer(response, exchange, this.options.signer);
    exchange.status = response.status;
    response.headers.set('x-request-id', exchange.id);
    response.headers.set('x-content-type-options', 'nosniff');
    if (!exchange.streaming) exchange.end();
    return response;
  };

  /** Takes no more requests and waits for those that run, at most `ms`; then stops them. */
  async drain(ms: number): Promise<void> {
    this.draining = true;
    this.observer.log('draining', { requests: this.active.size });
    if (this.active.size === 0) return;
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
    app.get('/health', (c) => c.json({ status: 'ok' }));
    app.get('/ready', (c) => this.ready(c));
    app.get('/openapi.json', (c) => c.json(openApiDocument()));
    for (const path of ['/', ...SITE_PATHS]) app.get(path, (c) => this.sitePage(c));
    app.get('/metrics', async (c) => {
      const key = this.options.openMetrics ? undefined : await this.identify(c);
      return c.body(this.observer.render(key), 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
    });
    for (const path of GUARDED) {
      app.use(path, async (c, next) => {
        if (this.draining) throw shuttingDown();
        c.env.exchange.key = await this.identify(c);
        c.env.exchange.key?.admit(performance.now());
        await next();
      });
    }
    app.get('/v1/models', (c) => c.json({ object: 'list', data: this.modelIds.map((id) => modelObject(id)) }));
    app.get('/v1/models/:id{.+}', (c) => c.json(this.oneModel(c.req.param('id'))));
    this.supportRoutes(app, this.options.support);
    this.post(app, '/v1/completions', completionRequest, { whole: completion, stream: completionChunks });
    this.post(app, '/v1/embeddings', embeddingRequest, { whole: embeddings });
    this.post(app, '/apply-template', applyTemplateRequest, { whole: applyTemplate });
    this.post(app, '/v1/tokenize', tokenizeRequest, { whole: tokenize });
    this.post(app, '/v1/detokenize', detokenizeRequest, { whole: detokenize });
    this.post(app, '/v1/responses', responsesRequest, {
      whole: (model, body, exchange) => response(model, body, exchange, this.responses),
      stream: (model, body, exchange) => responseEvents(model, body, exchange, this.responses),
    });
    this.post(app, '/v1/responses/input_tokens', responsesRequest, {
      whole: (model, body, exchange) => countInput(model, body, exchange, this.responses),
    });
    app.get('/v1/responses/:id', async (c) => this.json(c, (await this.storedResponse(c)).response));
    app.get('/v1/responses/:id/input_items', async (c) =>
      this.json(c, inputList((await this.storedResponse(c)).input)),
    );
    app.delete('/v1/responses/:id', (c) => {
      const id = c.req.param('id');
      if (!this.responses.delete(id, c.env.exchange.owner)) throw noSuchResponse();
      return c.json({ id, object: 'response', deleted: true });
    });
    this.post(app, '/v1/messages', messagesRequest, { whole: message, stream: messageEvents });
    this.post(app, '/v1/messages/count_tokens', countRequest, { whole: countTokens });
    this.post(app, '/api/chat', ollamaChatRequest, { whole: ollamaAnswer, stream: ollamaLines });
    this.post(app, '/api/generate', ollamaGenerateRequest, { whole: ollamaAnswer, stream: ollamaLines });
    this.post(app, '/api/embed', ollamaEmbedRequest, { whole: ollamaEmbed });
    this.post(app, '/api/embeddings', ollamaEmbeddingRequest, { whole: ollamaEmbedding });
    this.post(app, '/api/show', ollamaShowRequest, { whole: ollamaShow });
    app.get('/api/tags', async (c) => c.json(await ollamaModels(this.shelf, false)));
    app.get('/api/ps', async (c) => c.json(await ollamaModels(this.shelf, true)));
    app.get('/api/version', (c) => c.json({ version: this.options.version ?? '' }));
    app.notFound((c) => this.refuse(this.nothingAt(c), c.env.exchange));
    app.onError((error, c) => this.refuse(error, c.env.exchange));
    return app;
  }

  /** Adds a route that reads JSON and lets a model answer, whole or as a stream. */
  private post<Schema extends z.ZodObject>(
    app: Hono<Env>,
    path: string,
    schema: Schema,
    answers: Answers<z.output<Schema>>,
  ): void {
    app.post(path, async (c) => {
      const exchange = c.env.exchange;
      const body = await checkBody(schema, await this.readJson(c), exchange.budget);
      return this.answer(c, body, answers);
    });
  }

  private async answer<Body extends Asked>(c: Ctx, body: Body, answers: Answers<Body>): Promise<Response> {
    const { exchange } = c.env;
    if (this.options.logTexts) exchange.prompt = body;
    const { budget, signal } = exchange;
    const askedMs = performance.now();
    const model = exchange.use(await budget.wait('load', this.shelf.borrow(body.model, signal)));
    exchange.loadMs = performance.now() - askedMs;
    const streams = body.stream ?? exchange.errorForm === 'ollama';
    if (!answers.stream || !streams) return this.json(c, await answers.whole(model, body, exchange));
    return this.stream(answers.stream(model, body, exchange), exchange);
  }

  /** An answer, in one piece where it is short. */
  private async json(c: Ctx, answer: object): Promise<Response> {
    if (isSmall(answer)) return c.json(answer);
    const { signal } = c.env.exchange;
    const encoder = new TextEncoder();
    const pieces: Uint8Array[] = [];
    for await (const piece of jsonPieces(answer, new Budget({ signal }))) pieces.push(encoder.encode(piece));
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        const piece = pieces.shift();
        if (piece) controller.enqueue(piece);
        else controller.close();
      },
    });
    return c.body(body, 200, { 'content-type': 'application/json' });
  }

  /** The routes of a support model. A chat that it does not answer goes on to the language models. */
  private supportRoutes(app: Hono<Env>, support: SupportModel | undefined): void {
    const answers =
      <Schema extends z.ZodObject>(
        schema: Schema,
        answer: (model: SupportModel, body: z.output<Schema>, exchange: Exchange) => Promise<object>,
      ) =>
      async (c: Ctx) => {
        const { exchange } = c.env;
        const body = await checkBody(schema, await this.readJson(c), exchange.budget);
        if (this.options.logTexts) exchange.prompt = body;
        const asked = body.model as string | null | undefined;
        if (support && (asked == null || asked === support.facts.name)) {
          return this.json(c, await answer(support, body, exchange));
        }
        const advice = support ? `The support model here is ${support.facts.name}` : 'There is no support model here';
        throw new ApiError(404, `${advice}.`, { code: 'model_not_found', param: 'model' });
      };
    app.post('/v1/classify', answers(classifyRequest, classify));
    app.post('/v1/route', answers(routeRequest, route));
    this.decisionRoute(app, '/v1/systemone', systemOneRequest, systemOne);
    this.decisionRoute(app, '/v1/decisions', decisionsRequest, decisions);
    app.post('/v1/chat/completions', async (c) => {
      const { exchange } = c.env;
      const body = await checkBody(chatRequest, await this.readJson(c), exchange.budget);
      const isForSupport = support && (this.shelf.ids.length === 0 || body.model === support.facts.name);
      if (!isForSupport) return this.answer(c, body, { whole: chatCompletion, stream: chatChunks });
      if (this.options.logTexts) exchange.prompt = body;
      if (body.stream) return this.stream(supportChatChunks(support, body, exchange), exchange);
      return c.json(supportChat(support, body, exchange));
    });
  }

  /** Fixed questions: the support model answers where it is meant or alone, else a language model by how likely it finds each label. */
  private decisionRoute<Schema extends z.ZodObject>(
    app: Hono<Env>,
    path: string,
    schema: Schema,
    answer: (who: NamedDecider, body: z.output<Schema>, exchange: Exchange) => Promise<object>,
  ): void {
    const { support } = this.options;
    app.post(path, async (c) => {
      const { exchange } = c.env;
      const body = await checkBody(schema, await this.readJson(c), exchange.budget);
      const asked = body.model as string | null | undefined;
      if (support && (asked === support.facts.name || (asked == null && this.shelf.ids.length === 0))) {
        if (this.options.logTexts) exchange.prompt = body;
        return this.json(
          c,
          await answer({ name: support.facts.name, decider: supportDecider(support) }, body, exchange),
        );
      }
      return this.answer<z.output<Schema> & Asked>(c, body as z.output<Schema> & Asked, {
        whole: (model) => {
          const decider = likelihoodDecider((texts) => model.scoreDocuments(texts, { signal: exchange.signal }));
          return answer({ name: exchange.modelId ?? '', decider }, body, exchange);
        },
      });
    });
  }

  /** The body as JSON; large ones are read as long as there is room for them. */
  private async readJson(c: Ctx): Promise<unknown> {
    const { raw } = c.req;
    const { budget, signal } = c.env.exchange;
    const { bodyBytes } = this.limits;
    const leave = await budget.wait('the body', this.gate.enter(announcedBytes(raw, bodyBytes), signal));
    c.env.exchange.enterGate(leave);
    return readBody(raw, bodyBytes, budget);
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

  private async sitePage(c: Ctx): Promise<Response> {
    const { site } = this.options;
    const found = site && (await siteResponse(site, c.req.path, c.req.header('accept-encoding')));
    return found ?? this.refuse(this.nothingAt(c), c.env.exchange);
  }

  private ready(c: Ctx): Response {
    const loaded = [...this.shelf.loaded()].map(({ id }) => id);
    if (this.options.support) loaded.push(this.options.support.facts.name);
    const ready = !this.draining && loaded.length > 0;
    const status = this.draining ? 'draining' : ready ? 'ready' : 'no model is loaded';
    return c.json({ status, models: loaded }, ready ? 200 : 503);
  }

  private oneModel(id: string): object {
    if (this.modelIds.includes(id)) return modelObject(id);
    throw new ApiError(404, 'There is no model of this name here.', { code: 'model_not_found', param: 'model' });
  }

  private async storedResponse(c: Ctx): Promise<StoredResponse> {
    const { owner, budget } = c.env.exchange;
    const found = await this.responses.get(c.req.param('id') ?? '', owner, budget);
    if (found) return found;
    throw noSuchResponse();
  }

  private nothingAt({ req }: Ctx): ApiError {
    const routes = this.app.routes.filter(({ path, method }) => method !== 'ALL' && patternOf(path).test(req.path));
    const methods = [...new Set(routes.map((route) => route.method))];
    // One that has the method says itself that it has nothing: a page's file that is not there.
    if (methods.length > 0 && !methods.includes(req.method === 'HEAD' ? 'GET' : req.method)) {
      const allow = methods.join(', ');
      return new ApiError(405, `This route takes ${allow}.`, { code: 'method_not_allowed', allow });
    }
    return new ApiError(404, 'There is no such route. GET /openapi.json says what there is.', { code: 'not_found' });
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

/** A shelf with one model that is loaded already. */
function loadedShelf(model: LanguageModel): ModelShelf {
  const shelf = new ModelShelf([{ id: model.config.name, needBytes: async () => 0, load: async () => model }]);
  void shelf.borrow().then((lease) => lease.release());
  return shelf;
}
