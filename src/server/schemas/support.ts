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

export const routeRequest = z.object({
  ...{ model, input, threshold, fields },
  language: z
    .string()
    .regex(/^[a-z]{2,3}$/)
    .nullish()
    .describe('Of the customer, two letters. Default: told from the text'),
  intent: z.string().nullish().describe('One of the options, chosen by the customer: it is what is meant'),
  conversation: z.string().max(200).nullish().describe('Passed on to the webhook'),
  contact: z.string().max(500).nullish().describe('How the customer can be reached: passed on to the webhook'),
  trial: z.boolean().nullish().describe('Nobody is told of it'),
});
export type RouteRequest = z.output<typeof routeRequest>;

const ranked = z.array(z.object({ intent: z.string(), probability: z.number() }));
const options = z.array(z.object({ intent: z.string(), probability: z.number(), name: z.string() }));
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
const flags = z.array(z.object({ flag: z.string(), probability: z.number() })).describe('Those that are raised');
const { index: _, ...wished } = judged;
const action = z.enum(['answer', 'clarify', 'handover']);
const wish = z.object({
  query: z.string().describe('The sentences that want it'),
  parts: z.array(z.object({ start: z.int(), end: z.int() })).describe('Where they stand in the input'),
  ...{ ...wished, action, text: z.string(), options },
});

export const classifyAnswer = z.object({
  object: z.literal('list'),
  model: z.string(),
  data: z.array(z.object({ ...judged, flags, answered: z.boolean(), answer: z.string().nullable(), intents: ranked })),
});

export const routeAnswer = z.object({
  object: z.literal('list'),
  model: z.string(),
  data: z.array(
    z.object({
      ...judged,
      ...{ action, text: z.string(), options, flags },
      language: z.string().describe('Of the text'),
      wishes: z.array(wish).describe('The things that the message wants, in their order'),
      source: z.string().optional(),
    }),
  ),
});

export const explainRequest = z.object({ model, input: query });
export type ExplainRequest = z.output<typeof explainRequest>;

export const explainAnswer = z.object({
  ...{
    object: z.literal('explanation'),
    model: z.string(),
    intent: z.string(),
    intents: ranked,
    threshold: z.number(),
  },
  words: z
    .array(z.object({ start: z.int(), end: z.int(), weight: z.number() }))
    .describe('How much less likely the intent is without each word'),
  like: z
    .array(z.object({ text: z.string(), intent: z.string(), likeness: z.number() }))
    .describe('Rows of the training'),
});

export const supportAnswer = z.object({
  ...{ object: z.literal('support'), model: z.string(), language: z.string(), threshold: z.number() },
  texts: z.record(z.string(), z.string()),
  intents: z.array(z.object({ intent: z.string(), name: z.string() })),
  flags: z.array(z.string()),
  fields: z.array(z.string()),
  takes_contact: z.boolean().describe('Whether hand-overs are told to another system'),
});
