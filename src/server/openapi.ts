// Owns the OpenAPI document: all routes with the forms of their bodies and answers, made from the same schemas that check requests.
import { z } from 'zod';
import { applyTemplateRequest } from './apply-template.ts';
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
import { classifyAnswer, classifyRequest, routeAnswer, routeRequest } from './schemas/support.ts';

interface Operation {
  readonly method: 'get' | 'post' | 'delete';
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly body?: z.ZodType;
  /** A schema for JSON, or another media type. */
  readonly answer: z.ZodType | 'text/plain' | 'text/html';
  readonly streams?: boolean;
  /** Whether streams are lines of JSON. */
  readonly lines?: boolean;
  readonly parameter?: string;
  /** Whether keys are asked for where there are any. */
  readonly open?: boolean;
}

const operations: readonly Operation[] = [
  {
    ...{ method: 'post', path: '/v1/chat/completions', id: 'createChatCompletion', body: chatRequest, streams: true },
    ...{ summary: 'Answers a conversation', answer: answers.chatAnswer },
  },
  {
    ...{ method: 'post', path: '/v1/completions', id: 'createCompletion', body: completionRequest, streams: true },
    ...{ summary: 'Continues texts', answer: answers.completionAnswer },
  },
  {
    ...{ method: 'post', path: '/v1/responses', id: 'createResponse', body: responsesRequest, streams: true },
    ...{ summary: 'Answers a conversation, in items', answer: answers.responsesAnswer },
  },
  {
    ...{ method: 'get', path: '/v1/responses/{id}', id: 'getResponse', parameter: 'id' },
    ...{ summary: 'An answer that is kept', answer: answers.responsesAnswer },
  },
  {
    ...{ method: 'delete', path: '/v1/responses/{id}', id: 'deleteResponse', parameter: 'id' },
    ...{ summary: 'Forgets an answer', answer: z.object({ id: z.string(), object: z.string(), deleted: z.boolean() }) },
  },
  {
    ...{ method: 'get', path: '/v1/responses/{id}/input_items', id: 'listInputItems', parameter: 'id' },
    ...{ summary: 'What an answer that is kept was given for', answer: answers.itemsAnswer },
  },
  {
    ...{ method: 'post', path: '/v1/responses/input_tokens', id: 'countInputTokens', body: responsesRequest },
    ...{ summary: 'How many tokens the model would read', answer: answers.inputTokensAnswer },
  },
  {
    ...{ method: 'post', path: '/v1/embeddings', id: 'createEmbedding', body: embeddingRequest },
    ...{ summary: 'Texts as vectors', answer: answers.embeddingsAnswer },
  },
  {
    ...{ method: 'post', path: '/apply-template', id: 'applyTemplate', body: applyTemplateRequest },
    ...{ summary: 'The prompt that the model would read', answer: z.object({ prompt: z.string() }) },
  },
  {
    ...{ method: 'post', path: '/v1/tokenize', id: 'tokenize', body: tokenizeRequest },
    ...{ summary: 'Text to token ids', answer: answers.tokenizeAnswer },
  },
  {
    ...{ method: 'post', path: '/v1/detokenize', id: 'detokenize', body: detokenizeRequest },
    ...{ summary: 'Token ids to text', answer: answers.detokenizeAnswer },
  },
  {
    ...{ method: 'post', path: '/v1/messages', id: 'createMessage', body: messagesRequest, streams: true },
    ...{ summary: 'Answers a conversation, in Anthropic’s form', answer: answers.messageAnswer },
  },
  {
    ...{ method: 'post', path: '/v1/messages/count_tokens', id: 'countMessageTokens', body: countRequest },
    ...{ summary: 'How many tokens the model would read', answer: z.object({ input_tokens: z.int() }) },
  },
  {
    ...{ method: 'post', path: '/api/chat', id: 'ollamaChat', body: ollamaChatRequest, lines: true },
    ...{ summary: 'Answers a conversation, in Ollama’s form', answer: answers.ollamaAnswer },
  },
  {
    ...{ method: 'post', path: '/api/generate', id: 'ollamaGenerate', body: ollamaGenerateRequest, lines: true },
    ...{ summary: 'Answers or continues a prompt, in Ollama’s form', answer: answers.ollamaAnswer },
  },
  {
    ...{ method: 'post', path: '/api/embed', id: 'ollamaEmbed', body: ollamaEmbedRequest },
    ...{ summary: 'Texts as vectors', answer: z.object({ embeddings: z.array(z.array(z.number())) }) },
  },
  {
    ...{ method: 'post', path: '/api/embeddings', id: 'ollamaEmbedding', body: ollamaEmbeddingRequest },
    ...{ summary: 'A text as a vector', answer: z.object({ embedding: z.array(z.number()) }) },
  },
  {
    ...{ method: 'post', path: '/api/show', id: 'ollamaShow', body: ollamaShowRequest },
    ...{ summary: 'What is known of a model', answer: z.object({ capabilities: z.array(z.string()) }) },
  },
  { method: 'get', path: '/api/tags', id: 'ollamaTags', summary: 'The models', answer: answers.ollamaModelsAnswer },
  { method: 'get', path: '/api/ps', id: 'ollamaPs', summary: 'Loaded models', answer: answers.ollamaModelsAnswer },
  {
    ...{ method: 'get', path: '/api/version', id: 'ollamaVersion' },
    ...{ summary: 'The version of this software', answer: z.object({ version: z.string() }) },
  },
  {
    ...{ method: 'post', path: '/v1/classify', id: 'classify', body: classifyRequest },
    ...{ summary: 'What queries are about (where there is a support model)', answer: classifyAnswer },
  },
  {
    ...{ method: 'post', path: '/v1/route', id: 'route', body: routeRequest },
    ...{
      summary: 'What to do with queries: answer, ask back, hand over (where there is a support model)',
      answer: routeAnswer,
    },
  },
  {
    ...{ method: 'post', path: '/v1/systemone', id: 'systemOne', body: systemOneRequest },
    ...{ summary: 'Fixed questions about a text, answered with probabilities', answer: systemOneAnswer },
  },
  {
    ...{ method: 'post', path: '/v1/decisions', id: 'decisions', body: decisionsRequest },
    ...{ summary: 'The same as a list of predicates, choices and scores', answer: decisionsAnswer },
  },
  { method: 'get', path: '/v1/models', id: 'listModels', summary: 'The models', answer: answers.modelsAnswer },
  {
    ...{ method: 'get', path: '/v1/models/{id}', id: 'getModel', parameter: 'id' },
    ...{ summary: 'One model', answer: answers.modelAnswer },
  },
  {
    ...{ method: 'get', path: '/health', id: 'health', open: true },
    ...{ summary: 'Whether the process lives', answer: answers.healthAnswer },
  },
  {
    ...{ method: 'get', path: '/ready', id: 'ready', open: true },
    ...{ summary: 'Whether requests are taken; 503 where not', answer: answers.readyAnswer },
  },
  { method: 'get', path: '/metrics', id: 'metrics', summary: 'Metrics for Prometheus', answer: 'text/plain' },
  { method: 'get', path: '/', id: 'page', summary: 'A page to chat', answer: 'text/html', open: true },
];

/** The document, OpenAPI 3.1. */
export function openApiDocument(): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of operations) {
    paths[operation.path] ??= {};
    paths[operation.path][operation.method] = describe(operation);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'onebit',
      version: '1',
      description:
        'Language models behind the APIs that OpenAI’s, Anthropic’s and Ollama’s clients speak. Unknown fields are ignored, wrong ones answered 400.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer' } },
      schemas: { Error: jsonSchema(answers.errorAnswer) },
      responses: { Error: { description: 'What is wrong', content: json({ $ref: '#/components/schemas/Error' }) } },
    },
  };
}

function describe({ id, summary, body, answer, streams, lines, parameter, open }: Operation): object {
  const answered = typeof answer === 'string' ? { [answer]: { schema: { type: 'string' } } } : json(jsonSchema(answer));
  const events = {
    ...(streams ? { 'text/event-stream': { schema: { type: 'string' } } } : {}),
    ...(lines ? { 'application/x-ndjson': { schema: { type: 'string' } } } : {}),
  };
  return {
    operationId: id,
    summary,
    ...(open ? {} : { security: [{ key: [] }, {}] }),
    ...(parameter ? { parameters: [{ name: parameter, in: 'path', required: true, schema: { type: 'string' } }] } : {}),
    ...(body ? { requestBody: { required: true, content: json(jsonSchema(body)) } } : {}),
    responses: {
      200: { description: summary, content: { ...answered, ...events } },
      default: { $ref: '#/components/responses/Error' },
    },
  };
}

function json(schema: object): object {
  return { 'application/json': { schema } };
}

function jsonSchema(schema: z.ZodType): object {
  // As input: other fields may be added later.
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Record<
    string,
    unknown
  >;
  return rest;
}
