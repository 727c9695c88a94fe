// Owns what an operation of the server is: its route, what the OpenAPI document says of it, and who answers it. An answer is made for a job (exchange.ts): the
// same whether the job came as an HTTP request or as a line of a batch. Must not know any operation.
import type { z } from 'zod';
import type { LanguageModel } from '../language-model.ts';
import type { SupportModel } from '../tasks/support/support-model.ts';
import type { ServerEvent } from './event-stream.ts';
import type { Exchange } from './exchange.ts';
import type { Host } from './host.ts';

/** What a route is, for clients and for the document. */
export interface Facts {
  readonly method: 'get' | 'post' | 'delete';
  /** With `{name}` for parameters. */
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly body?: z.ZodObject;
  /** Whether the body is a form with a file. */
  readonly upload?: boolean;
  /** A schema for JSON, or another media type. */
  readonly answer: z.ZodType | 'text/plain' | 'text/html' | 'application/octet-stream';
  readonly streams?: boolean;
  /** Whether streams are lines of JSON. */
  readonly lines?: boolean;
  readonly parameter?: string;
  /** Whether the parameter may hold slashes. */
  readonly slashes?: boolean;
  /** Whether keys are not asked for. */
  readonly open?: boolean;
  /** Whether a batch may be of such requests. */
  readonly inBatches?: boolean;
}

/** What a model answers to a body that was checked. */
export interface Answers<Model, Body> {
  readonly whole: (model: Model, body: Body, job: Exchange, host: Host) => object | Promise<object>;
  readonly stream?: (model: Model, body: Body, job: Exchange, host: Host) => AsyncIterator<ServerEvent>;
}

/** A request whose answer asks no model. */
export interface Plain {
  readonly parameter: string;
  /** What stands behind the `?` of the address. */
  readonly query: (name: string) => string | undefined;
  readonly body: unknown;
  readonly request: Request;
  readonly job: Exchange;
}

/** An operation: facts, and who answers: a language model, a support model, either (a chat), or nobody but the server. */
export interface Operation extends Facts {
  // biome-ignore lint/suspicious/noExplicitAny: each body is the output of its own schema, which only the maker of the operation knows
  readonly model?: Answers<LanguageModel, any>;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  readonly support?: Answers<SupportModel, any>;
  /** Whether a support model answers where no model is named, although a language model could. */
  readonly supportFirst?: boolean;
  readonly plain?: (host: Host, asked: Plain) => object | Promise<object>;
}

/** What the bodies of all operations that need a model may say. */
export interface AskedModel {
  readonly model?: string | null;
  /** Of /api/show: the model, where `model` is left out. */
  readonly name?: string;
  readonly stream?: boolean | null;
  /** Of /v1/responses: nobody waits for the answer. */
  readonly background?: boolean | null;
}

/** An operation that a language model answers. */
export function asksModel<Schema extends z.ZodObject>(
  facts: Omit<Facts, 'method'> & { readonly body: Schema },
  whole: Answers<LanguageModel, z.output<Schema>>['whole'],
  stream?: Answers<LanguageModel, z.output<Schema>>['stream'],
): Operation {
  return { method: 'post', ...facts, model: { whole, stream } };
}

/** An operation that a support model answers. */
export function asksSupport<Schema extends z.ZodObject>(
  facts: Omit<Facts, 'method'> & { readonly body: Schema },
  whole: Answers<SupportModel, z.output<Schema>>['whole'],
): Operation {
  return { method: 'post', ...facts, support: { whole } };
}

/** An answer that is ready to be made. */
export interface Answerer {
  readonly whole: () => object | Promise<object>;
  readonly stream?: () => AsyncIterator<ServerEvent>;
}

/** The answers of an operation to one body of one job. */
export function bound<Model>(
  { whole, stream }: Answers<Model, AskedModel>,
  model: Model,
  body: AskedModel,
  job: Exchange,
  host: Host,
): Answerer {
  return {
    whole: () => whole(model, body, job, host),
    ...(stream ? { stream: () => stream(model, body, job, host) } : {}),
  };
}
