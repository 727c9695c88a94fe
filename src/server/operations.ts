// Owns the list of all operations. Routes (app.ts) and the OpenAPI document (openapi.ts) are both made from it; a batch may be of those that say so.
import { z } from 'zod';
import type { LanguageModel } from '../language-model.ts';
import { likelihoodDecider, supportDecider } from '../tasks/decide/index.ts';
import type { SupportModel } from '../tasks/support/support-model.ts';
import { countTokens, message, messageEvents } from './anthropic.ts';
import { ApiError, badField } from './api-error.ts';
import { applyTemplate, applyTemplateRequest } from './apply-template.ts';
import { chatChunks, chatCompletion } from './chat-completions.ts';
import { completion, completionChunks } from './completions.ts';
import { decisions, type NamedDecider, systemOne } from './decisions.ts';
import { embeddings } from './embeddings.ts';
import type { Exchange } from './exchange.ts';
import { JOB_OPERATIONS } from './job-operations.ts';
import { ollamaAnswer, ollamaEmbed, ollamaEmbedding, ollamaLines } from './ollama.ts';
import { ollamaModels, ollamaShow } from './ollama-models.ts';
import { asksModel, asksSupport, type Facts, type Operation } from './operation.ts';
import { OPERATOR_OPERATIONS } from './operator-operations.ts';
import { countInput, inputList } from './response-input.ts';
import { response, responseEvents } from './responses.ts';
import { modelObject } from './route-facts.ts';
import * as answers from './schemas/answers.ts';
import { countRequest, messagesRequest } from './schemas/anthropic.ts';
import { chatRequest } from './schemas/chat.ts';
import { decisionsAnswer, decisionsRequest, systemOneAnswer, systemOneRequest } from './schemas/decisions.ts';
import {
  ollamaChatRequest,
  ollamaEmbeddingRequest,
  ollamaEmbedRequest,
  ollamaGenerateRequest,
  ollamaShowRequest,
} from './schemas/ollama.ts';
import { completionRequest, detokenizeRequest, embeddingRequest, tokenizeRequest } from './schemas/others.ts';
import { responsesRequest } from './schemas/responses.ts';
import {
  classifyAnswer,
  classifyRequest,
  explainAnswer,
  explainRequest,
  routeAnswer,
  routeRequest,
  supportAnswer,
} from './schemas/support.ts';
import { classify, explain, route, supportChat, supportChatChunks, supportFacts } from './support.ts';
import { detokenize, tokenize } from './tokens.ts';

const openAi: readonly Operation[] = [
  {
    ...asksModel(
      {
        ...{ path: '/v1/chat/completions', id: 'createChatCompletion', body: chatRequest, streams: true },
        ...{ summary: 'Answers a conversation', answer: answers.chatAnswer, inBatches: true },
      },
      chatCompletion,
      chatChunks,
    ),
    support: { whole: supportChat, stream: supportChatChunks },
  },
  asksModel(
    {
      ...{ path: '/v1/completions', id: 'createCompletion', body: completionRequest, streams: true },
      ...{ summary: 'Continues texts', answer: answers.completionAnswer, inBatches: true },
    },
    completion,
    completionChunks,
  ),
  asksModel(
    {
      ...{ path: '/v1/responses', id: 'createResponse', body: responsesRequest, streams: true },
      ...{ summary: 'Answers a conversation, in items', answer: answers.responsesAnswer, inBatches: true },
    },
    (model, body, job, { responses }) => response(model, body, job, responses),
    (model, body, job, { responses }) => responseEvents(model, body, job, responses),
  ),
  {
    ...{ method: 'get', path: '/v1/responses/{id}', id: 'getResponse', parameter: 'id' },
    ...{ summary: 'An answer that is kept', answer: answers.responsesAnswer },
    plain: async ({ background }, { parameter, query, job }) => {
      if (query('stream') === 'true') throw badField('stream', 'stream: an answer that is kept is given whole.');
      return (await background.get(parameter, job.owner, job.budget)).response;
    },
  },
  {
    ...{ method: 'delete', path: '/v1/responses/{id}', id: 'deleteResponse', parameter: 'id' },
    ...{ summary: 'Forgets an answer', answer: z.object({ id: z.string(), object: z.string(), deleted: z.boolean() }) },
    plain: async ({ background }, { parameter: id, job }) => {
      await background.delete(id, job.owner);
      return { id, object: 'response', deleted: true };
    },
  },
  {
    ...{ method: 'post', path: '/v1/responses/{id}/cancel', id: 'cancelResponse', parameter: 'id' },
    ...{ summary: 'Stops an answer that is made in the background', answer: answers.responsesAnswer },
    plain: ({ background }, { parameter, job }) => background.cancel(parameter, job.owner, job.budget),
  },
  {
    ...{ method: 'get', path: '/v1/responses/{id}/input_items', id: 'listInputItems', parameter: 'id' },
    ...{ summary: 'What an answer that is kept was given for', answer: answers.itemsAnswer },
    plain: async ({ background }, { parameter, job }) =>
      inputList((await background.get(parameter, job.owner, job.budget)).input),
  },
  asksModel(
    {
      ...{ path: '/v1/responses/input_tokens', id: 'countInputTokens', body: responsesRequest },
      ...{ summary: 'How many tokens the model would read', answer: answers.inputTokensAnswer },
    },
    (model, body, job, { responses }) => countInput(model, body, job, responses),
  ),
  asksModel(
    {
      ...{ path: '/v1/embeddings', id: 'createEmbedding', body: embeddingRequest },
      ...{ summary: 'Texts as vectors', answer: answers.embeddingsAnswer, inBatches: true },
    },
    embeddings,
  ),
];

const own: readonly Operation[] = [
  asksModel(
    {
      ...{ path: '/apply-template', id: 'applyTemplate', body: applyTemplateRequest },
      ...{ summary: 'The prompt that the model would read', answer: z.object({ prompt: z.string() }) },
    },
    applyTemplate,
  ),
  asksModel(
    {
      ...{ path: '/v1/tokenize', id: 'tokenize', body: tokenizeRequest },
      ...{ summary: 'Text to token ids', answer: answers.tokenizeAnswer },
    },
    tokenize,
  ),
  asksModel(
    {
      ...{ path: '/v1/detokenize', id: 'detokenize', body: detokenizeRequest },
      ...{ summary: 'Token ids to text', answer: answers.detokenizeAnswer },
    },
    detokenize,
  ),
];

const otherForms: readonly Operation[] = [
  asksModel(
    {
      ...{ path: '/v1/messages', id: 'createMessage', body: messagesRequest, streams: true },
      ...{ summary: 'Answers a conversation, in Anthropic’s form', answer: answers.messageAnswer },
    },
    message,
    messageEvents,
  ),
  asksModel(
    {
      ...{ path: '/v1/messages/count_tokens', id: 'countMessageTokens', body: countRequest },
      ...{ summary: 'How many tokens the model would read', answer: z.object({ input_tokens: z.int() }) },
    },
    countTokens,
  ),
  asksModel(
    {
      ...{ path: '/api/chat', id: 'ollamaChat', body: ollamaChatRequest, lines: true },
      ...{ summary: 'Answers a conversation, in Ollama’s form', answer: answers.ollamaAnswer },
    },
    ollamaAnswer,
    ollamaLines,
  ),
  asksModel(
    {
      ...{ path: '/api/generate', id: 'ollamaGenerate', body: ollamaGenerateRequest, lines: true },
      ...{ summary: 'Answers or continues a prompt, in Ollama’s form', answer: answers.ollamaAnswer },
    },
    ollamaAnswer,
    ollamaLines,
  ),
  asksModel(
    {
      ...{ path: '/api/embed', id: 'ollamaEmbed', body: ollamaEmbedRequest },
      ...{ summary: 'Texts as vectors', answer: z.object({ embeddings: z.array(z.array(z.number())) }) },
    },
    ollamaEmbed,
  ),
  asksModel(
    {
      ...{ path: '/api/embeddings', id: 'ollamaEmbedding', body: ollamaEmbeddingRequest },
      ...{ summary: 'A text as a vector', answer: z.object({ embedding: z.array(z.number()) }) },
    },
    ollamaEmbedding,
  ),
  asksModel(
    {
      ...{ path: '/api/show', id: 'ollamaShow', body: ollamaShowRequest },
      ...{ summary: 'What is known of a model', answer: z.object({ capabilities: z.array(z.string()) }) },
    },
    (model, { model: id, name }, _, { shelf }) => ollamaShow(model, (id ?? name)!, shelf),
  ),
  {
    ...{
      method: 'get',
      path: '/api/tags',
      id: 'ollamaTags',
      summary: 'The models',
      answer: answers.ollamaModelsAnswer,
    },
    plain: ({ shelf }) => ollamaModels(shelf, false),
  },
  {
    ...{ method: 'get', path: '/api/ps', id: 'ollamaPs', summary: 'Loaded models', answer: answers.ollamaModelsAnswer },
    plain: ({ shelf }) => ollamaModels(shelf, true),
  },
  {
    ...{ method: 'get', path: '/api/version', id: 'ollamaVersion' },
    ...{ summary: 'The version of this software', answer: z.object({ version: z.string() }) },
    plain: ({ version }) => ({ version }),
  },
];

const support: readonly Operation[] = [
  asksSupport(
    {
      ...{ path: '/v1/classify', id: 'classify', body: classifyRequest, inBatches: true },
      ...{ summary: 'What queries are about (where there is a support model)', answer: classifyAnswer },
    },
    classify,
  ),
  asksSupport(
    {
      ...{ path: '/v1/route', id: 'route', body: routeRequest, answer: routeAnswer, inBatches: true },
      summary: 'What to do with queries: answer, ask back, hand over (where there is a support model)',
    },
    route,
  ),
  asksSupport(
    {
      ...{ path: '/v1/explain', id: 'explain', body: explainRequest, answer: explainAnswer },
      summary: 'Why a query is understood as it is: words that speak for it, rows that are like it',
    },
    explain,
  ),
  {
    ...{ method: 'get', path: '/v1/support', id: 'support', answer: supportAnswer },
    summary: 'The support model: its intents and flags, and what customers read (?language=de)',
    plain: (host, { query }) => supportFacts(host, query('language')),
  },
  decides(
    {
      ...{ path: '/v1/systemone', id: 'systemOne', body: systemOneRequest, answer: systemOneAnswer, inBatches: true },
      summary: 'Fixed questions about a text, answered with probabilities',
    },
    systemOne,
  ),
  decides(
    {
      ...{ path: '/v1/decisions', id: 'decisions', body: decisionsRequest, answer: decisionsAnswer, inBatches: true },
      summary: 'The same as a list of predicates, choices and scores',
    },
    decisions,
  ),
];

/** Fixed questions: a support model answers unless another is named, else a language model by how likely it finds each label. */
function decides<Schema extends z.ZodObject>(
  facts: Omit<Facts, 'method'> & { readonly body: Schema },
  answer: (who: NamedDecider, body: z.output<Schema>, job: Exchange) => Promise<object>,
): Operation {
  const whole = (model: LanguageModel, body: z.output<Schema>, job: Exchange) => {
    const decider = likelihoodDecider((texts) => model.scoreDocuments(texts, { signal: job.signal }));
    return answer({ name: job.modelId ?? '', decider }, body, job);
  };
  const bySupport = (model: SupportModel, body: z.output<Schema>, job: Exchange) =>
    answer({ name: model.facts.name, decider: supportDecider(model) }, body, job);
  return { method: 'post', ...facts, model: { whole }, support: { whole: bySupport }, supportFirst: true };
}

const about: readonly Operation[] = [
  {
    ...{ method: 'get', path: '/v1/models', id: 'listModels', summary: 'The models', answer: answers.modelsAnswer },
    plain: async (host) => ({
      object: 'list',
      data: await Promise.all(host.modelIds.map((id) => modelObject(id, host))),
    }),
  },
  {
    ...{ method: 'get', path: '/v1/models/{id}', id: 'getModel', parameter: 'id', slashes: true },
    ...{ summary: 'One model', answer: answers.modelAnswer },
    plain: (host, { parameter: id }) => {
      if (host.modelIds.includes(id)) return modelObject(id, host);
      throw new ApiError(404, 'There is no model of this name here.', { code: 'model_not_found', param: 'model' });
    },
  },
  {
    ...{ method: 'get', path: '/health', id: 'health', open: true },
    ...{ summary: 'Whether the process lives', answer: answers.healthAnswer },
    plain: () => ({ status: 'ok' }),
  },
  {
    ...{ method: 'get', path: '/ready', id: 'ready', open: true },
    ...{ summary: 'Whether requests are taken; 503 where not', answer: answers.readyAnswer },
    plain: (host) => host.ready(),
  },
  {
    ...{ method: 'get', path: '/metrics', id: 'metrics', summary: 'Metrics for Prometheus', answer: 'text/plain' },
    plain: (host, { job }) => host.metrics(job),
  },
  {
    ...{ method: 'get', path: '/openapi.json', id: 'openApi', open: true },
    ...{ summary: 'This document', answer: z.record(z.string(), z.unknown()) },
    plain: (host) => host.openApi(),
  },
  {
    ...{ method: 'get', path: '/', id: 'page', summary: 'A page to chat', answer: 'text/html', open: true },
    plain: (host, { request }) => host.page(request, '/'),
  },
];

/** All operations. */
export const OPERATIONS: readonly Operation[] = [
  ...openAi,
  ...JOB_OPERATIONS,
  ...OPERATOR_OPERATIONS,
  ...own,
  ...otherForms,
  ...support,
  ...about,
];

/** The operation of the lines of batches of `endpoint`. */
export function operationOf(endpoint: string): Operation {
  return OPERATIONS.find(({ path, inBatches }) => path === endpoint && inBatches)!;
}
