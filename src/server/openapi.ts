// Owns the OpenAPI document: all routes with the forms of their bodies and answers, made from the list of operations.
import { z } from 'zod';
import type { Facts } from './operation.ts';
import { OPERATIONS } from './operations.ts';
import { errorAnswer } from './schemas/answers.ts';

/** The document, OpenAPI 3.1. */
export function openApiDocument(): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const operation of OPERATIONS) {
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
      schemas: { Error: jsonSchema(errorAnswer) },
      responses: { Error: { description: 'What is wrong', content: json({ $ref: '#/components/schemas/Error' }) } },
    },
  };
}

function describe({ id, summary, body, upload, answer, streams, lines, parameter, open }: Facts): object {
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
    ...(upload ? { requestBody: { required: true, content: { 'multipart/form-data': { schema: UPLOAD } } } } : {}),
    ...(body ? { requestBody: { required: true, content: json(jsonSchema(body)) } } : {}),
    responses: {
      200: { description: summary, content: { ...answered, ...events } },
      default: { $ref: '#/components/responses/Error' },
    },
  };
}

const UPLOAD = {
  type: 'object',
  properties: { file: { type: 'string', format: 'binary' }, purpose: { type: 'string' } },
  required: ['file', 'purpose'],
};

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
