// Owns the bodies and answers of /v1/systemone and /v1/decisions.
import { z } from 'zod';
import { MOST_OPTIONS, MOST_QUESTIONS } from '../../tasks/decide/index.ts';

const words = z.union([z.string(), z.record(z.string(), z.unknown()), z.array(z.unknown())]);
const model = z.string().nullish();
const MOST_SYSTEMONE_QUESTIONS = 64;

const systemOneQuestion = z.object({
  type: z.enum(['noul', 'choice', 'score']),
  instructions: words,
  criteria: z
    .union([z.record(z.string(), z.unknown()), z.array(z.unknown()).min(1).max(MOST_OPTIONS)])
    .nullish()
    .describe('choice: labels with their descriptions; score: the levels, lowest first; noul: optional'),
});

export const systemOneRequest = z.object({
  model,
  state: words.describe('What the questions are about'),
  questions: z
    .record(z.string(), systemOneQuestion)
    .refine((all) => Object.keys(all).length <= MOST_SYSTEMONE_QUESTIONS, {
      message: `At most ${MOST_SYSTEMONE_QUESTIONS} questions`,
    }),
});
export type SystemOneRequest = z.output<typeof systemOneRequest>;

const named = { name: z.string(), instructions: z.string() };
const decisionQuestion = z.discriminatedUnion('type', [
  z.object({ type: z.literal('predicate'), ...named }),
  z.object({
    ...{ type: z.literal('choice'), ...named },
    choices: z
      .array(z.object({ value: z.string(), description: z.string().nullish() }))
      .min(1)
      .max(MOST_OPTIONS),
  }),
  z.object({
    ...{ type: z.literal('score'), ...named },
    levels: z
      .array(z.object({ label: z.string(), description: z.string().nullish() }))
      .min(1)
      .max(MOST_OPTIONS),
  }),
]);

export const decisionsRequest = z.object({
  ...{ model, input: words.describe('What the questions are about') },
  questions: z.array(decisionQuestion).min(1).max(MOST_QUESTIONS),
});
export type DecisionsRequest = z.output<typeof decisionsRequest>;

export const systemOneAnswer = z.object({
  model: z.string(),
  answers: z.record(z.string(), z.object({ type: z.enum(['noul', 'choice', 'score']) })),
  usage: z.object({ input_tokens: z.int(), output_tokens: z.int() }),
});
export const decisionsAnswer = z.object({
  model: z.string(),
  answers: z.array(z.object({ type: z.enum(['predicate', 'choice', 'score']), name: z.string() })),
  usage: z.object({ input_tokens: z.int(), output_tokens: z.int() }),
});
