// Owns the bodies of /v1/completions, /v1/embeddings, /v1/tokenize and /v1/detokenize.
import { z } from 'zod';
import { formFields } from './form.ts';
import { samplingFields, unsupportedFields } from './sampling.ts';

/** A token's id, of whatever vocabulary. */
export const tokenId = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);
const tokenIds = z.array(tokenId).max(1_000_000);

/** A text, its tokens, or a list of such. */
const textsOrTokens = (most: number) =>
  z.union([
    z.string(),
    tokenIds.min(1),
    z
      .array(z.union([z.string(), tokenIds.min(1)]))
      .min(1)
      .max(most),
  ]);

export const completionRequest = z.object({
  ...samplingFields,
  ...unsupportedFields,
  ...formFields,
  prompt: textsOrTokens(128),
  max_tokens: z.int().min(0).nullish(),
  logprobs: z.int().min(0).max(20).nullish(),
  echo: z.boolean().nullish(),
  suffix: z.string().max(0, 'Not supported: must be empty').nullish(),
});
export type CompletionRequest = z.output<typeof completionRequest>;

export const embeddingRequest = z.object({
  model: samplingFields.model,
  input: textsOrTokens(2048),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().min(1).nullish(),
  user: z.string().nullish(),
});

export const tokenizeRequest = z.object({
  model: samplingFields.model,
  content: z.string().nullish().describe('The text'),
  prompt: z.string().nullish().describe('Another name of content'),
  add_special: z.boolean().nullish().describe('Put the begin token first where the model wants one. Default false'),
  parse_special: z.boolean().nullish().describe('Read control tokens in the text. Default false'),
  with_pieces: z
    .boolean()
    .nullish()
    .describe('Give the text of each token too, or its bytes where they are none by themselves. Default false'),
});

export const detokenizeRequest = z.object({ model: samplingFields.model, tokens: tokenIds });
