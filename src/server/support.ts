// Owns the routes of a support model: what queries are about, what to do with them, and a conversation in which it answers itself. Must not know
// language models.
import { type ReadyReader, readyFields, withReadyFields } from '../tasks/fields/index.ts';
import { routeQuery, type SupportRoute } from '../tasks/support/route.ts';
import type { Prediction, SupportModel } from '../tasks/support/support-model.ts';
import { ApiError, badField } from './api-error.ts';
import type { ServerEvent } from './event-stream.ts';
import type { Exchange } from './exchange.ts';
import { type ChatRequest, messagesOf } from './schemas/chat.ts';
import { type ClassifyRequest, LONGEST_QUERY, type RouteRequest } from './schemas/support.ts';

/** The answer of /v1/classify. */
export async function classify(
  model: SupportModel,
  { input, top, threshold, fields }: ClassifyRequest,
  exchange: Exchange,
): Promise<object> {
  const options = { top: top ?? undefined, threshold: threshold ?? undefined };
  const read = fields ? await ready() : undefined;
  const data = await eachQuery(input, exchange, (query, index) => {
    const prediction = model.predict(query, options);
    const { answered, answer, intents } = prediction;
    return {
      index,
      ...judgement(prediction),
      ...fieldsOf(prediction, query, read),
      answered,
      answer: answer ?? null,
      intents,
    };
  });
  return { object: 'list', model: model.facts.name, data };
}

/** The answer of /v1/route. */
export async function route(
  model: SupportModel,
  { input, threshold, fields }: RouteRequest,
  exchange: Exchange,
): Promise<object> {
  const read = fields ? await ready() : undefined;
  const data = await eachQuery(input, exchange, (query, index) => {
    const known = read ? withReadyFields(model.readFields(query), read(query)) : undefined;
    const { prediction, action, text, options, source, probability } = routeQuery(model, query, {
      ...{ threshold: threshold ?? undefined, fields: known },
    });
    return {
      index,
      ...judgement(prediction),
      ...(known ? { fields: known } : {}),
      action,
      text,
      options,
      ...(source === undefined ? {} : { source, probability }),
    };
  });
  return { object: 'list', model: model.facts.name, data };
}

let reader: Promise<ReadyReader> | undefined;

function ready(): Promise<ReadyReader> {
  reader ??= readyFields();
  return reader;
}

function fieldsOf({ fields }: Prediction, query: string, read: ReadyReader | undefined): object {
  return read ? { fields: withReadyFields(fields, read(query)) } : {};
}

/** The answer of /v1/chat/completions to the last message of the user, with what was decided in the field `support`. @throws ApiError 400 */
export async function supportChat(model: SupportModel, request: ChatRequest, exchange: Exchange): Promise<object> {
  const decided = await decide(model, request, exchange);
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
): AsyncGenerator<ServerEvent> {
  const decided = await decide(model, request, exchange);
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

async function decide(model: SupportModel, request: ChatRequest, exchange: Exchange): Promise<SupportRoute> {
  const last = messagesOf(request.messages).findLast(({ role }) => role === 'user');
  if (!last) throw new ApiError(400, 'messages: there must be a message of the user.', { param: 'messages' });
  const query = last.content ?? '';
  if (query.length > LONGEST_QUERY) {
    throw badField('messages', `messages: a query may have ${LONGEST_QUERY} characters, got ${query.length}.`);
  }
  await exchange.reserveReading(tokensAbout(query));
  return routeQuery(model, query);
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
  judge: (query: string, index: number) => Found,
): Promise<Found[]> {
  const queries = typeof input === 'string' ? [input] : input;
  await exchange.reserveReading(queries.reduce((sum, query) => sum + tokensAbout(query), 0));
  const found: Found[] = [];
  for (const [index, query] of queries.entries()) {
    await exchange.budget.turn('classify');
    found.push(judge(query, index));
  }
  return found;
}

/** These models read words, not tokens: four characters count as one. */
function tokensAbout(query: string): number {
  return Math.ceil(query.length / 4);
}
