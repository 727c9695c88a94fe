// Owns the fields with which clients say how text is generated, and what they mean to the model. OpenAI's names, and those that people send to
// local servers. Fields that are null count as absent; unknown ones are ignored.
import { z } from 'zod';
import type { GenerateOptions } from '../../generate/options.ts';
import { badField } from '../api-error.ts';

/** Names and texts that clients keep beside a request, as many as OpenAI takes. */
const METADATA_PAIRS = 16;
export const metadata = z
  .record(z.string().max(64), z.string().max(512))
  .refine((pairs) => Object.keys(pairs).length <= METADATA_PAIRS, `Too many: expected at most ${METADATA_PAIRS} pairs`)
  .meta({ maxProperties: METADATA_PAIRS, description: `At most ${METADATA_PAIRS} texts` });

const stopText = z.string().min(1).max(1000);

/** Of every request that generates. */
export const samplingFields = {
  model: z.string().nullish().describe('Name of a model; the first one by default'),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  top_k: z.int().min(-1).max(1_000_000).nullish().describe('0 or -1 keep all'),
  min_p: z.number().min(0).max(1).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  repeat_penalty: z.number().min(0.01).max(10).nullish(),
  repetition_penalty: z.number().min(0.01).max(10).nullish().describe('Another name of repeat_penalty'),
  repeat_last_n: z.int().min(-1).max(1_000_000).nullish(),
  logit_bias: z
    .record(z.string().regex(/^\d{1,9}$/, 'Invalid key: must be a token id'), z.number().min(-100).max(100))
    .nullish(),
  seed: z.int().nullish(),
  stop: z.union([stopText, z.array(stopText).max(16)]).nullish(),
  n: z.int().min(1).max(16).nullish(),
  ignore_eos: z.boolean().nullish(),
  loop_guard: z
    .boolean()
    .nullish()
    .describe('End an answer that only repeats itself (finish reason loop); on by default in chats'),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  user: z.string().nullish(),
};

const unsupported = <Value extends number | boolean>(neutral: Value) =>
  z.literal(neutral, `Not supported: must be ${neutral}`).nullish();
const noneOf = (instead: string) => z.array(z.unknown()).max(0, `Not supported: ${instead}`).nullish();

/** Of vLLM's requests: what would make another answer and is not there is refused by the field's name. Values that ask for nothing are taken. */
export const unsupportedFields = {
  min_tokens: unsupported(0),
  best_of: unsupported(1),
  use_beam_search: unsupported(false),
  include_stop_str_in_output: unsupported(false),
  skip_special_tokens: unsupported(true),
  stop_token_ids: noneOf('use stop'),
  bad_words: noneOf('use logit_bias'),
  allowed_token_ids: noneOf('use logit_bias'),
  prompt_logprobs: z.null('Not supported: use echo and logprobs of /v1/completions').optional(),
  truncate_prompt_tokens: z.null('Not supported: shorten the prompt').optional(),
};

const samplingSchema = z.object(samplingFields);
/** Parsed `samplingFields`. */
export type SamplingRequest = z.output<typeof samplingSchema>;

/** The model's options for the choices of a request. @throws ApiError 400 */
export function generateOptionsOf(request: SamplingRequest, vocabulary: number): GenerateOptions {
  const bias = new Map<number, number>();
  for (const [token, value] of Object.entries(request.logit_bias ?? {})) {
    if (Number(token) >= vocabulary) {
      throw badField('logit_bias', `logit_bias: tokens must be below ${vocabulary}, got ${token}.`);
    }
    bias.set(Number(token), value);
  }
  return {
    temperature: request.temperature ?? undefined,
    topP: request.top_p ?? undefined,
    topK: request.top_k == null ? undefined : Math.max(0, request.top_k),
    minP: request.min_p ?? undefined,
    presencePenalty: request.presence_penalty ?? undefined,
    frequencyPenalty: request.frequency_penalty ?? undefined,
    repeatPenalty: request.repeat_penalty ?? request.repetition_penalty ?? undefined,
    penaltyWindow: request.repeat_last_n ?? undefined,
    logitBias: bias.size === 0 ? undefined : bias,
    seed: request.seed ?? undefined,
    stop: request.stop ?? undefined,
    ignoreEndOfText: request.ignore_eos ?? undefined,
    loopGuard: request.loop_guard ?? undefined,
  };
}

/** `options` for choice `index`: each has a seed of its own. */
export function withSeed(options: GenerateOptions, index: number): GenerateOptions {
  return options.seed === undefined ? options : { ...options, seed: options.seed + index };
}

/** How many alternatives of each token are told; undefined where no log-probabilities are. @throws ApiError 400 for alternatives without them */
export function alternativesOf(request: {
  readonly logprobs?: boolean | null;
  readonly top_logprobs?: number | null;
}): number | undefined {
  if (request.logprobs) return request.top_logprobs ?? 0;
  if (!request.top_logprobs) return undefined;
  throw badField('top_logprobs', 'top_logprobs: goes with logprobs, which must be true.');
}
