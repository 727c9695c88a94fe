// Owns getting an answer: from the model in this page, or from the server that served it. Must not know how it is shown.
import type { ChatMessage } from 'onebit/browser';
import type { ModelSlot } from '../model-slot.ts';
import type { ChatSettings } from './settings.ts';

/** A token with its alternatives, as the answer shows them. */
export interface ShownToken {
  /** Its id, where it is known. */
  readonly token?: number;
  readonly text: string;
  readonly logprob?: number;
  readonly top?: readonly { readonly text: string; readonly logprob: number }[];
}

/** A piece of an answer. */
export interface AnswerPiece {
  readonly text: string;
  /** What the model thinks before it answers, where that comes apart from the answer. */
  readonly thinking?: boolean;
  readonly tokens: readonly ShownToken[];
}

/** How an answer came about. */
export interface AnswerStats {
  readonly tokens: number;
  /** Undefined where nothing can be said: an answer that came all at once. */
  readonly tokensPerSecond?: number;
  readonly firstTokenMs: number;
  readonly promptTokens?: number;
  readonly cutOff: boolean;
  /** Messages at the beginning that no longer fit. */
  readonly leftOut: number;
}

export type Ask = (
  messages: readonly ChatMessage[],
  settings: ChatSettings,
  signal: AbortSignal,
  onPiece: (piece: AnswerPiece) => void,
) => Promise<AnswerStats>;

const ALTERNATIVES = 6;

/** A server's answer that is there sooner was sent in a packet or two: their distance is no speed of the model. */
const SHORTEST_STREAM_SECONDS = 0.05;

/** Asks the model in this page. Of a conversation that is too long the oldest messages are left out. */
export function askHere(slot: ModelSlot): Ask {
  return async (messages, settings, signal, onPiece) => {
    const model = await slot.ready();
    const { system, mode, seed, alternatives, ...numbers } = settings;
    const options = {
      ...numbers,
      seed: seed === '' || Number.isNaN(Number(seed)) ? undefined : Number(seed),
      logprobs: alternatives ? ALTERNATIVES : undefined,
      signal,
    };
    for (let leftOut = 0; ; leftOut += 2) {
      const rest = messages.slice(leftOut);
      let came = false;
      try {
        const generation =
          mode === 'continue'
            ? model.generate(rest.map(({ content }) => content).join(''), options)
            : model.chat(system ? [{ role: 'system', content: system }, ...rest] : rest, options);
        for await (const piece of generation) {
          came = true;
          onPiece(piece);
        }
        const { timings, finishReason, promptTokens, tokens } = await generation.result();
        return {
          tokens: tokens.length,
          tokensPerSecond: timings.decodeTokensPerSecond,
          firstTokenMs: timings.timeToFirstTokenMs,
          promptTokens,
          cutOff: finishReason === 'length',
          leftOut,
        };
      } catch (error) {
        const tooLong = (error as { code?: string }).code === 'too-long';
        if (!tooLong || came || rest.length < 3) throw error;
      }
    }
  };
}

/** Asks the server's model `id`, by its HTTP routes. */
export function askServer(base: string, id: string, key: () => string): Ask {
  return async (messages, settings, signal, onPiece) => {
    const { system, temperature, topK, topP, minP, repeatPenalty, maxTokens, seed, alternatives } = settings;
    const began = performance.now();
    const response = await fetch(`${base}/chat/completions`, {
      method: 'POST',
      signal,
      headers: { 'content-type': 'application/json', ...authorization(key()) },
      body: JSON.stringify({
        model: id,
        messages: system ? [{ role: 'system', content: system }, ...messages] : messages,
        stream: true,
        temperature,
        top_k: topK,
        top_p: topP,
        min_p: minP,
        repeat_penalty: repeatPenalty,
        max_tokens: maxTokens,
        ...(seed === '' ? {} : { seed: Number(seed) }),
        ...(alternatives ? { logprobs: true, top_logprobs: ALTERNATIVES } : {}),
      }),
    });
    if (!response.ok) throw new Error(await serverMessage(response));
    let firstMs = 0;
    let tokens = 0;
    let cutOff = false;
    for await (const event of events(response.body!)) {
      if (event.error) throw new Error(event.error.message);
      const choice = event.choices?.[0];
      if (!choice) continue;
      if (choice.finish_reason === 'length') cutOff = true;
      const thought = choice.delta?.reasoning_content ?? '';
      const text = choice.delta?.content ?? '';
      const shown = (choice.logprobs?.content ?? []).map(shownToken);
      if (thought === '' && text === '' && shown.length === 0) continue;
      if (firstMs === 0) firstMs = performance.now() - began;
      tokens += Math.max(1, shown.length);
      if (thought !== '') onPiece({ text: thought, tokens: [], thinking: true });
      if (text !== '') onPiece({ text, tokens: shown });
    }
    const seconds = (performance.now() - began - firstMs) / 1000;
    const tokensPerSecond = seconds < SHORTEST_STREAM_SECONDS ? undefined : (tokens - 1) / seconds;
    return { tokens, tokensPerSecond, firstTokenMs: firstMs, cutOff, leftOut: 0 };
  };
}

/** Names of the server's models. Throws when a key is needed. */
export async function serverModels(base: string, key: string): Promise<string[]> {
  const response = await fetch(`${base}/models`, { headers: authorization(key) });
  if (!response.ok) throw new Error(await serverMessage(response));
  const { data } = (await response.json()) as { data: { id: string }[] };
  return data.map(({ id }) => id);
}

function authorization(key: string): Record<string, string> {
  return key ? { authorization: `Bearer ${key}` } : {};
}

async function serverMessage(response: Response): Promise<string> {
  try {
    return (await response.json()).error.message;
  } catch {
    return `The server answered ${response.status}.`;
  }
}

interface ServerToken {
  readonly token: string;
  readonly logprob: number;
  readonly top_logprobs: readonly { readonly token: string; readonly logprob: number }[];
}

interface ServerEvent {
  readonly error?: { readonly message: string };
  readonly choices?: readonly {
    readonly finish_reason?: string;
    readonly delta?: { readonly content?: string; readonly reasoning_content?: string };
    readonly logprobs?: { readonly content?: readonly ServerToken[] };
  }[];
}

function shownToken({ token, logprob, top_logprobs }: ServerToken): ShownToken {
  return { text: token, logprob, top: top_logprobs.map((other) => ({ text: other.token, logprob: other.logprob })) };
}

async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split('\n\n');
    rest = parts.pop()!;
    for (const part of parts) if (part.startsWith('data: ') && part !== 'data: [DONE]') yield JSON.parse(part.slice(6));
  }
}
