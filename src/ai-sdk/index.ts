// Owns the provider for the AI SDK (the package `ai`): language and embedding models of a loaded model in this process, or of a server elsewhere.
// In process it speaks to the server's routes without a network, so both ways do the same.

import { createOpenAICompatible, type OpenAICompatibleProvider } from '@ai-sdk/openai-compatible';
import { checkArgument } from '../core/check.ts';
import type { LanguageModel } from '../language-model.ts';
import { OnebitServer } from '../server/app.ts';

export type OnebitOptions =
  | {
      /** A loaded model, or a server of several. It stays yours: dispose of it when done. */
      readonly model: LanguageModel | OnebitServer;
    }
  | {
      /** Where `onebit serve` listens. Default `http://127.0.0.1:8080/v1`. */
      readonly baseURL?: string;
      readonly apiKey?: string;
    };

/** `provider('name')` is a language model, `provider.embeddingModel('name')` one for embeddings. */
export type OnebitProvider = OpenAICompatibleProvider;

const DEFAULT_URL = 'http://127.0.0.1:8080/v1';
/** Never looked up: requests to it stay in the process. */
const IN_PROCESS_URL = 'http://onebit.invalid/v1';
/** Who asks in process has the memory and the time that the caller gives. */
const UNLIMITED = { bodyBytes: 2 ** 30, requestMs: 2 ** 31 - 1 };

/** A provider for `generateText`, `streamText`, `generateObject`, `embed` and their relatives. Needs `@ai-sdk/openai-compatible`. */
export function createOnebit(options: OnebitOptions = {}): OnebitProvider {
  checkArgument('createOnebit', 'options', options, 'object');
  const shared = { name: 'onebit', includeUsage: true, supportsStructuredOutputs: true };
  if (!('model' in options)) {
    return createOpenAICompatible({ ...shared, baseURL: options.baseURL ?? DEFAULT_URL, apiKey: options.apiKey });
  }
  const { model } = options;
  const server = model instanceof OnebitServer ? model : new OnebitServer(model, { limits: UNLIMITED });
  const fetch = (input: RequestInfo | URL, init?: RequestInit) => server.fetch(new Request(input, init));
  return createOpenAICompatible({ ...shared, baseURL: IN_PROCESS_URL, fetch });
}
