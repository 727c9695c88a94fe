// Owns the bodies and answers of /v1/classify and /v1/route.
import { z } from 'zod';

/** Characters of a query; a whole letter has 3,000. */
export const LONGEST_QUERY = 20_000;
const query = z.string().max(LONGEST_QUERY);
const threshold = z
  .number()
  .min(0)
  .max(1)
  .nullish()
  .describe("Confidence from which on it is answered. Default: the model's");
const input = z.union([query, z.array(query).min(1).max(2048)]).describe('A query, or several');
const model = z.string().nullish();

const fields = z
  .boolean()
  .nullish()
  .describe('Also the fields of each query: learnt ones, addresses, numbers, amounts, dates. Default false');

export const classifyRequest = z.object({
  ...{ model, input, threshold, fields },
  top: z.int().min(1).max(100).nullish().describe('How many of the likeliest intents to list. Default 3'),
});
export type ClassifyRequest = z.output<typeof classifyRequest>;

export const routeRequest = z.object({ model, input, threshold, fields });
export type RouteRequest = z.output<typeof routeRequest>;

const ranked = z.array(z.object({ intent: z.string(), probability: z.number() }));
const field = z.object({
  ...{ label: z.string(), text: z.string(), start: z.int(), end: z.int(), probability: z.number() },
  value: z.string().optional(),
});
const judged = {
  index: z.int(),
  intent: z.string(),
  probability: z.number().describe('That this intent is meant, if any is'),
  out_of_scope: z.number().describe('That none is meant'),
  confidence: z.number().describe('That an answer for this intent is right'),
  fields: z.array(field).optional(),
};

export const classifyAnswer = z.object({
  object: z.literal('list'),
  model: z.string(),
  data: z.array(z.object({ ...judged, answered: z.boolean(), answer: z.string().nullable(), intents: ranked })),
});

export const routeAnswer = z.object({
  object: z.literal('list'),
  model: z.string(),
  data: z.array(
    z.object({
      ...judged,
      action: z.enum(['answer', 'clarify', 'handover']),
      text: z.string(),
      options: ranked,
      source: z.string().optional(),
    }),
  ),
});
