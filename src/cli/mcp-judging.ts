// Owns the tools of `onebit mcp` that write no text of their own: what messages are about, which answer was written for them, the fields in them, fixed questions. Must
// not know how they are called.
import { z } from 'zod';
import { Budget } from '../core/budget.ts';
import type { LanguageModel } from '../language-model.ts';
import {
  type DecisionQuestion,
  decideAll,
  likelihoodDecider,
  MOST_OPTIONS,
  MOST_QUESTIONS,
  supportDecider,
} from '../tasks/decide/index.ts';
import { fieldReader, MessageRouter } from '../tasks/messages/index.ts';
import type { SupportModel } from '../tasks/support/support-model.ts';
import { type Tools, text, texts } from './mcp-answer.ts';

const readOnly = { annotations: { readOnlyHint: true } };
const action = z.enum(['answer', 'clarify', 'handover']);
const judged = z.object({ intent: z.string(), confidence: z.number(), action, text: z.string() });
const said = z.object({
  ...{ action, intent: z.string(), confidence: z.number(), text: z.string().describe('What to say to the customer') },
  is_written: z.boolean().describe('Whether the business wrote that text, as an answer or in its documents'),
  source: z.string().optional().describe('Of a passage of the documents: where it stands'),
});
const field = z.object({
  ...{ label: z.string(), text: z.string(), value: z.string().optional() },
  ...{ start: z.int(), end: z.int(), probability: z.number() },
});
const options = z.array(z.object({ label: text, description: text.optional() })).max(MOST_OPTIONS);
const question = z.discriminatedUnion('type', [
  z.object({ type: z.literal('yes-no'), instructions: text, name: z.string().optional() }),
  z.object({ type: z.literal('choice'), instructions: text, name: z.string().optional(), options }),
  z.object({
    ...{ type: z.literal('score'), instructions: text, name: z.string().optional() },
    levels: options.describe('The lowest first'),
  }),
]);
const decided = z.object({
  ...{ type: z.string(), name: z.string().optional(), choice: z.string().optional(), score: z.number().optional() },
  ...{ confidence: z.number().optional(), probability: z.number().optional().describe('Of yes') },
  probabilities: z.array(z.object({ label: z.string(), probability: z.number() })).optional(),
});

/** What customers' messages are about, and what to say to them. */
export function addSupportTools(tools: Tools, model: SupportModel): void {
  const known = model.intents.slice(0, 50).join(', ');
  let router: Promise<MessageRouter> | undefined;
  const routed = async (query: string, signal: AbortSignal) => {
    router ??= MessageRouter.of(model);
    return new Budget({ signal }).inTurns('mcp', (await router).routeInPieces(query));
  };
  tools.server.registerTool(
    'classify',
    {
      description: `Says what customers' messages are about, how sure that is, and whether a person should answer. Intents: ${known}`,
      inputSchema: { texts: texts.describe('The messages') },
      outputSchema: { results: z.array(judged) },
      ...readOnly,
    },
    async (asked, extra) =>
      tools.answered('classify', asked, extra, async (call) => ({
        results: await each(asked.texts, call.signal, async (query) => {
          const { action, prediction, text } = await routed(query, call.signal);
          return { intent: prediction.intent, confidence: rounded(prediction.confidence), action, text };
        }),
      })),
  );
  tools.server.registerTool(
    'answer',
    {
      description:
        "Finds what to say to a customer's message: the answer that the business wrote for it or a passage of its documents, word for word; else what to ask, or that a person must answer.",
      inputSchema: { message: text },
      outputSchema: said.shape,
      ...readOnly,
    },
    async (asked, extra) =>
      tools.answered('answer', asked, extra, async ({ signal }) => {
        const { action, prediction, text, isAnswer, source } = await routed(asked.message, signal);
        const { intent, confidence } = prediction;
        const found = { action, intent, confidence: rounded(confidence), text, is_written: isAnswer };
        return source === undefined ? found : { ...found, source };
      }),
  );
}

/** What texts name: what a support model has learnt to read, and what is read without one. */
export function addFields(tools: Tools, model: SupportModel | undefined): void {
  const learnt = model?.fieldLabels.length ? `, and ${model.fieldLabels.join(', ')}` : '';
  tools.server.registerTool(
    'fields',
    {
      description: `Reads what texts name: e-mail and web addresses, IBANs, order and phone numbers, amounts, dates${learnt}. Places are in UTF-16 code units.`,
      inputSchema: {
        texts,
        country: z.string().length(2).optional().describe('Of phone numbers without a country code, DE for example'),
      },
      outputSchema: { results: z.array(z.object({ fields: z.array(field) })) },
      ...readOnly,
    },
    async (asked, extra) =>
      tools.answered('fields', asked, extra, async (call) => {
        const read = await fieldReader(model, { country: asked.country });
        const budget = new Budget({ signal: call.signal });
        const results = await each(asked.texts, call.signal, async (query) => ({
          fields: await budget.inTurns('mcp', read(query)),
        }));
        return { results };
      }),
  );
}

/** Fixed questions, by whoever is there. */
export function addDecide(
  tools: Tools,
  { language, support }: { readonly language?: LanguageModel; readonly support?: SupportModel },
): void {
  const by = support ? 'a support model, by its intents and flags' : 'a language model';
  tools.server.registerTool(
    'decide',
    {
      description: `Answers fixed questions about a text with probabilities: yes or no, one of several labels, or a level. Answered by ${by}.`,
      inputSchema: { text, questions: z.array(question).min(1).max(MOST_QUESTIONS) },
      outputSchema: { answers: z.array(decided) },
      ...readOnly,
    },
    async (asked, extra) =>
      tools.answered('decide', asked, extra, async ({ signal }) => {
        const decider = support
          ? supportDecider(support)
          : likelihoodDecider((documents) => language!.scoreDocuments(documents, { signal }));
        const answers = await each(asked.questions as DecisionQuestion[], signal, async (question) => {
          const [decision] = await decideAll(decider, asked.text, [question]);
          const { type } = decision;
          const head = { type, ...(question.name === undefined ? {} : { name: question.name }) };
          if (type === 'yes-no' || question.type === 'yes-no') return { ...head, ...decision };
          const labels = question.type === 'choice' ? question.options : question.levels;
          const probabilities = decision.probabilities.map((probability, i) => ({
            label: labels[i].label,
            probability,
          }));
          return { ...head, ...decision, probabilities };
        });
        return { answers };
      }),
  );
}

/** What comes of each, one after the other; others get the event loop between two of them. */
async function each<In, Out>(
  list: readonly In[],
  signal: AbortSignal,
  make: (one: In) => Out | Promise<Out>,
): Promise<Out[]> {
  const budget = new Budget({ signal });
  const made: Out[] = [];
  for (const one of list) {
    made.push(await make(one));
    await budget.turn('mcp');
  }
  return made;
}

function rounded(value: number): number {
  return Number(value.toFixed(4));
}
