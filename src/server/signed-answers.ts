// Owns signing what the server answers: a header of whole answers, a last comment of streams of events. What they say: the model and its digest, the time, the
// digest of the answer's bytes as they are sent.
import { sha256 } from '@noble/hashes/sha2.js';
import { hexOf } from '../core/digest.ts';
import { encodeHeader, PROVENANCE_HEADER, type SigningKey, sealAnswer } from '../provenance/index.ts';
import type { Exchange } from './exchange.ts';

/** What signs, and what it knows of models. */
export interface AnswerSigner {
  readonly key: SigningKey;
  /** SHA-256 of a model's file, where it is known. */
  digestOf(modelId: string): Promise<string | undefined>;
}

/** `response` with its signature: answers of a model that were refused or go to nobody have none; nor have lines of JSON, which take no comments. */
export async function signedAnswer(response: Response, exchange: Exchange, signer: AnswerSigner): Promise<Response> {
  const { modelId, id } = exchange;
  if (modelId === undefined || !response.ok || !response.body) return response;
  const facts = { request: id, model: modelId, modelSha256: await signer.digestOf(modelId) };
  const seal = (digest: string) => sealAnswer(digest, facts, signer.key);
  if (!exchange.streaming) {
    const bytes = new Uint8Array(await response.arrayBuffer());
    const headers = new Headers(response.headers);
    headers.set(PROVENANCE_HEADER, encodeHeader(await seal(hexOf(sha256(bytes)))));
    return new Response(bytes, { status: response.status, headers });
  }
  if (!response.headers.get('content-type')?.startsWith('text/event-stream')) return response;
  const hash = sha256.create();
  const end = new TransformStream<Uint8Array, Uint8Array>({
    transform: (chunk, controller) => {
      hash.update(chunk);
      controller.enqueue(chunk);
    },
    flush: async (controller) => {
      const value = encodeHeader(await seal(hexOf(hash.digest())));
      controller.enqueue(new TextEncoder().encode(`: ${PROVENANCE_HEADER}: ${value}\n\n`));
    },
  });
  return new Response(response.body.pipeThrough(end), { status: response.status, headers: response.headers });
}
