// Owns the routes of a support model: what queries are about, what to do with them, and a conversation in which it answers itself. Must not know
// language models.
import { type MessageRoute, MessageRouter } from '../tasks/messages/index.ts';
import { explainInTurns } from '../tasks/support/explain.ts';
import type { SupportRoute } from '../tasks/support/route.ts';
import type { Prediction, SupportModel } from '../tasks/support/support-model.ts';
import { voiceOf } from '../tasks/texts/index.ts';
import { ApiError, badField } from './api-error.ts';
import type { ServerEvent } from './event-stream.ts';
import type { Exchange } from './exchange.ts';
import type { Host } from './host.ts';
import { type ChatRequest, messagesOf } from './schemas/chat.ts';
import { type ClassifyRequest, type ExplainRequest, LONGEST_QUERY, type RouteRequest } from './schemas/support.ts';

/** The answer of /v1/classify. */
export async function classify(
  model: SupportModel,
  { input, top, threshold, fields }: ClassifyRequest,
  exchange: Exchange,
): Promise<object> {
  const options = { top: top ?? undefined, threshold: threshold ?? undefined };
  const router = fields ? await routerOf(model) : undefined;
  const data = await eachQuery(input, exchange, async (query, index) => {
    const prediction = model.predict(query, options);
    const read = router?.fieldsInPieces(query, undefined, prediction.fields);
    const { answered, answer, intents } = prediction;
    return {
      index,
      ...judgement(prediction),
      ...(read ? { fields: await exchange.budget.inTurns('classify', read) } : {}),
      flags: prediction.flags,
      answered,
      answer: answer ?? null,
      intents,
    };
  });
  return { object: 'list', model: model.facts.name, data };
}

/** The answer of /v1/route. */
export async function route(model: SupportModel, request: RouteRequest, job: Exchange, host: Host): Promise<object> {
  const { input, threshold, fields, language, intent } = request;
  if (intent != null && !model.intents.includes(intent)) throw badField('intent', 'intent: there is no such intent.');
  const router = await routerOf(model);
  const options = { threshold: threshold ?? undefined, intent: intent ?? undefined, language: language ?? undefined };
  const data = await eachQuery(input, job, async (query, index) => {
    const routed = await job.budget.inTurns('route', router.routeInPieces(query, options));
    const found = {
      ...routedFields(model, routed, fields === true),
      ...(fields ? { fields: routed.prediction.fields } : {}),
    };
    if (typeof input === 'string' && !job.isBackground) tellOthers(host, job, request, found);
    return { index, ...found };
  });
  return { object: 'list', model: model.facts.name, data };
}

function routedFields(model: SupportModel, routed: MessageRoute, withFields: boolean) {
  const { prediction, action, text, language, flags, wishes, source, probability } = routed;
  return {
    ...judgement(prediction),
    ...{ action, text, options: namedOptions(model, routed), language, flags },
    wishes: wishes.map((wish) => ({
      ...{ query: wish.query, parts: wish.parts, ...judgement(wish.prediction) },
      ...(withFields ? { fields: wish.prediction.fields } : {}),
      ...{ action: wish.action, text: wish.text, options: namedOptions(model, wish) },
    })),
    ...(source === undefined ? {} : { source, probability }),
  };
}

function namedOptions(model: SupportModel, { options, language }: SupportRoute) {
  const voice = voiceOf(model.texts, language);
  return options.map((option) => ({ ...option, name: voice.name(option.intent) }));
}

/** Tells the other system of a query that a person must answer, and of a way to reach who asked. */
function tellOthers(
  { webhooks }: Host,
  { id }: Exchange,
  { input, conversation, contact, trial }: RouteRequest,
  found: { readonly action: string },
): void {
  if (!webhooks || trial || (found.action !== 'handover' && contact == null)) return;
  const said = { input, conversation: conversation ?? null, contact: contact ?? null, ...found };
  webhooks.send(contact == null ? 'support.handover' : 'support.contact', id, { id, ...said });
}

/** The answer of /v1/explain. */
export async function explain(model: SupportModel, { input }: ExplainRequest, job: Exchange): Promise<object> {
  await job.reserveReading(tokensAbout(input));
  const found = await explainInTurns(model, input, job.budget);
  return { object: 'explanation', model: model.facts.name, ...found };
}

/** The answer of GET /v1/support. @throws ApiError 404 where there is no support model */
export function supportFacts({ support, webhooks }: Host, language: string | undefined): object {
  if (!support) throw new ApiError(404, 'There is no support model here.', { code: 'model_not_found' });
  const voice = voiceOf(support.texts, language);
  return {
    ...{ object: 'support', model: support.facts.name, language: voice.language, threshold: support.facts.threshold },
    texts: voice.texts,
    intents: support.intents.map((intent) => ({ intent, name: voice.name(intent) })),
    ...{ flags: support.flagLabels, fields: support.fieldLabels, takes_contact: webhooks !== undefined },
  };
}

const routers = new WeakMap<SupportModel, Promise<MessageRouter>>();

function routerOf(model: SupportModel): Promise<MessageRouter> {
  const router = routers.get(model) ?? MessageRouter.of(model);
  routers.set(model, router);
  return router;
}

/** The answer of /v1/chat/completions to the last message of the user, with what was decided in the field `support`. @throws ApiError 400 */
export async function supportChat(
  model: SupportModel,
  request: ChatRequest,
  exchange: Exchange,
  host: Host,
): Promise<object> {
  const decided = await decide(model, request, exchange, host);
  return {
    ...head(model, exchange, 'chat.completion'),
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: decided.text, refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
    support: supportField(decided),
  };
}

/** The same as a stream: the text at once, then the end. */
export async function* supportChatChunks(
  model: SupportModel,
  request: ChatRequest,
  exchange: Exchange,
  host: Host,
): AsyncGenerator<ServerEvent> {
  const decided = await decide(model, request, exchange, host);
  const chunk = (delta: object, finish_reason: string | null, more: object = {}) => ({
    data: {
      ...head(model, exchange, 'chat.completion.chunk'),
      choices: [{ index: 0, delta, logprobs: null, finish_reason }],
      ...more,
    },
  });
  yield chunk({ role: 'assistant', content: decided.text }, null, { support: supportField(decided) });
  yield chunk({}, 'stop');
  yield { data: '[DONE]' };
}

async function decide(
  model: SupportModel,
  request: ChatRequest,
  exchange: Exchange,
  host: Host,
): Promise<MessageRoute> {
  const last = messagesOf(request.messages).findLast(({ role }) => role === 'user');
  if (!last) throw new ApiError(400, 'messages: there must be a message of the user.', { param: 'messages' });
  const query = last.content ?? '';
  if (query.length > LONGEST_QUERY) {
    throw badField('messages', `messages: a query may have ${LONGEST_QUERY} characters, got ${query.length}.`);
  }
  await exchange.reserveReading(tokensAbout(query));
  const routed = await exchange.budget.inTurns('route', (await routerOf(model)).routeInPieces(query));
  if (!exchange.isBackground) tellOthers(host, exchange, { input: query }, routedFields(model, routed, false));
  return routed;
}

function supportField({ action, prediction, options }: SupportRoute): object {
  return { action, ...judgement(prediction), options };
}

function judgement({ intent, probability, outOfScope, confidence }: Prediction): object {
  return { intent, probability, out_of_scope: outOfScope, confidence };
}

function head(model: SupportModel, exchange: Exchange, object: string): object {
  return {
    id: `chatcmpl-${exchange.id.slice(4)}`,
    object,
    created: Math.floor(Date.now() / 1000),
    model: model.facts.name,
    system_fingerprint: null,
  };
}

/** What `judge` finds of each query, with turns for others; what is read counts against the key's tokens. */
async function eachQuery<Found>(
  input: string | readonly string[],
  exchange: Exchange,
  judge: (query: string, index: number) => Promise<Found>,
): Promise<Found[]> {
  const queries = typeof input === 'string' ? [input] : input;
  await exchange.reserveReading(queries.reduce((sum, query) => sum + tokensAbout(query), 0));
  const found: Found[] = [];
  for (const [index, query] of queries.entries()) {
    await exchange.budget.turn('classify');
    found.push(await judge(query, index));
  }
  return found;
}

/** These models read words, not tokens: four characters count as one. */
function tokensAbout(query: string): number {
  return Math.ceil(query.length / 4);
}
