// Owns the audit log: a line for each request that asked for something, with hashes of what was asked and answered, each line bound to the one before it, so that
// a line that was changed, put in or taken out is found. Must not know where lines are kept.

import { sha256 } from '@noble/hashes/sha2.js';
import { wrong } from '../core/check.ts';
import { hexOf } from '../core/digest.ts';
import { OnebitError } from '../errors.ts';
import { ApiError } from './api-error.ts';
import type { Exchange } from './exchange.ts';

/** Where lines go. */
export interface AuditSink {
  /** The last line that is there; undefined where there is none. */
  readonly last?: string;
  /** Writes one line; done when it is kept. */
  append(line: string): Promise<void>;
}

export interface AuditOptions {
  readonly sink: AuditSink;
  /** Write the texts of requests and answers too. Default false: their hashes. */
  readonly texts?: boolean;
}

/** What the first line is bound to. */
const BEGIN = '0'.repeat(64);
const HASH = /^(\{.*),"hash":"([0-9a-f]{64})"\}$/s;

/** Writes the audit log of a server. */
export class AuditLog {
  private readonly options: AuditOptions;
  private sequence = 0;
  private hash = BEGIN;
  private writing: Promise<void> = Promise.resolve();
  /** Why nothing can be written any more. */
  failure: unknown;

  /** @throws OnebitError `bad-file` where the last line is not one of an audit log */
  constructor(options: AuditOptions) {
    this.options = options;
    const { last } = options.sink;
    if (last === undefined) return;
    const entry = readLine(last);
    if (!entry) {
      throw new OnebitError(
        'bad-file',
        'audit: the last line of the log must be whole, it is not. Look at it, and begin another log.',
      );
    }
    this.sequence = entry.sequence;
    this.hash = entry.hash;
  }

  /** Writes a request that has ended. @param answerSha256 of the answer's bytes @throws what the sink throws, now and from then on */
  record(exchange: Exchange, answerSha256: string | undefined, wasCut = false): Promise<void> {
    const { id, method, route, modelId, key, status, usage, finishReason, error, verdict } = exchange;
    const texts = this.options.texts ? { request: exchange.requestText, answers: exchange.answers } : {};
    const fields = {
      ...{ id, key: key?.name, method, route, model: modelId, status },
      ...{ requestSha256: exchange.requestSha256?.(), answerSha256, wasCut: wasCut || undefined },
      ...{ finishReason, error: error?.code, policy: verdict },
      ...{ promptTokens: usage.promptTokens, completionTokens: usage.completionTokens },
      ...texts,
    };
    this.writing = this.writing.then(() => this.write(fields));
    const written = this.writing;
    this.writing = written.catch(() => {});
    return written;
  }

  private async write(fields: object): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    const entry = { sequence: this.sequence + 1, time: new Date().toISOString(), ...fields, previous: this.hash };
    const text = JSON.stringify(entry);
    const hash = hashOf(text);
    try {
      await this.options.sink.append(`${text.slice(0, -1)},"hash":"${hash}"}`);
    } catch (error) {
      this.failure = error;
      throw error;
    }
    this.sequence++;
    this.hash = hash;
  }
}

/** What looking through an audit log gives. */
export interface AuditCheck {
  readonly isWhole: boolean;
  readonly lines: number;
  /** Of the last whole line: whoever keeps it elsewhere sees that lines were cut off at the end. */
  readonly head: string;
  /** Lines that are not as they were written, or do not follow the one before them; numbers from 1. */
  readonly problems: readonly { readonly line: number; readonly problem: string }[];
}

/** Looks through the lines of an audit log. */
export async function checkAuditLog(lines: AsyncIterable<string> | Iterable<string>): Promise<AuditCheck> {
  const isIterable =
    typeof lines === 'object' && lines !== null && (Symbol.asyncIterator in lines || Symbol.iterator in lines);
  if (!isIterable) throw wrong('checkAuditLog', 'lines', 'be a list or stream of lines', lines);
  const problems: { line: number; problem: string }[] = [];
  let [count, sequence, head] = [0, 0, BEGIN];
  for await (const line of lines) {
    count++;
    const entry = readLine(line);
    if (!entry) {
      problems.push({ line: count, problem: 'it was changed, or is no line of an audit log' });
      continue;
    }
    if (entry.sequence !== sequence + 1) {
      problems.push({ line: count, problem: `number ${entry.sequence} follows number ${sequence}` });
    } else if (entry.previous !== head) {
      problems.push({ line: count, problem: 'it does not follow the line before it' });
    }
    sequence = entry.sequence;
    head = entry.hash;
  }
  return { isWhole: problems.length === 0, lines: count, head, problems };
}

function readLine(line: string): { sequence: number; previous: string; hash: string } | undefined {
  const [, text, hash] = HASH.exec(line) ?? [];
  if (text === undefined || hashOf(`${text}}`) !== hash) return undefined;
  try {
    const { sequence, previous } = JSON.parse(`${text}}`);
    return { sequence, previous, hash };
  } catch {
    return undefined; // anybody can make a hash
  }
}

function hashOf(text: string): string {
  return hexOf(sha256(new TextEncoder().encode(text)));
}

/** `response`, which is written down when its last byte was sent or the client has gone. A whole one is written down before it is sent; files are not held whole. */
export async function audited(response: Response, exchange: Exchange, log: AuditLog): Promise<Response> {
  const { status, headers } = response;
  const isStream = exchange.streaming || (exchange.method === 'GET' && exchange.path.startsWith('/v1/files/'));
  if (!isStream || !response.body) {
    const bytes = new Uint8Array(await response.arrayBuffer());
    await log.record(exchange, hexOf(sha256(bytes)));
    const isEmpty = bytes.length === 0 || [204, 304].includes(status);
    return new Response(isEmpty ? null : bytes, { status, headers });
  }
  const hash = sha256.create();
  const reader = response.body.getReader();
  const end = (wasCut: boolean) => log.record(exchange, hexOf(hash.digest()), wasCut);
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { value, done } = await reader.read().catch(async (error) => {
        await end(true);
        throw error;
      });
      if (done) {
        await end(false);
        controller.close();
        return;
      }
      hash.update(value);
      controller.enqueue(value);
    },
    async cancel(reason) {
      await reader.cancel(reason);
      await end(true);
    },
  });
  return new Response(body, { status, headers });
}

/** What gives texts that a model wrote, or that it was given, once more. */
const KEPT_TEXTS = /^\/v1\/(responses\/.|files\/[^/]+\/content$)/;

/** What asks for something, or for an answer that is kept: the page, health, metrics and lists do not. */
export function isAudited({ method, path }: Exchange): boolean {
  if (method === 'GET') return KEPT_TEXTS.test(path);
  return method !== 'HEAD' && method !== 'OPTIONS' && /^\/(v1|api|apply-template)(\/|$)/.test(path);
}

export function unaudited(cause: unknown): ApiError {
  const message = 'The audit log of this server cannot be written, so nothing is answered. Its operator must look.';
  return new ApiError(503, message, { code: 'audit_failed', cause });
}
