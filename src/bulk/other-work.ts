// Owns the work with rows that generates no text: what a support model says of them, and vectors. Must not know files.
import { Budget } from '../core/budget.ts';
import { checkOptions } from '../core/check.ts';
import { endedTokens } from '../generate/embed.ts';
import type { LanguageModel } from '../language-model.ts';
import { MessageRouter } from '../tasks/messages/index.ts';
import { checkSupportModel, type SupportModel } from '../tasks/support/support-model.ts';
import { type RowTextOptions, rounded, rowText, TEXT_OPTIONS } from './row-text.ts';
import type { RowWork } from './row-work.ts';

export interface SupportWorkOptions extends RowTextOptions {
  /** Confidence from which on the model answers. Default: the model's. */
  readonly threshold?: number;
}

/**
 * Work that says what each row is about, as `onebit support predict` does: columns intent, confidence, action; answer where the model has any, source where they
 * may be of documents; flags where it has learnt some; and one for each field that it has learnt to read.
 */
export function supportWork(model: SupportModel, options: SupportWorkOptions = {}): RowWork {
  checkSupportModel('supportWork', model);
  checkOptions('supportWork', options, { ...TEXT_OPTIONS, threshold: 'number' });
  const { threshold } = options;
  const hasDocuments = model.parts.documents !== undefined;
  const hasAnswers = hasDocuments || model.answers.size > 0 || Object.keys(model.texts.answers ?? {}).length > 0;
  const own = [
    ...['intent', 'confidence', 'action'],
    ...(hasAnswers ? ['answer'] : []),
    ...(hasDocuments ? ['source'] : []),
    ...(model.flagLabels.length > 0 ? ['flags'] : []),
  ];
  const { fieldLabels } = model;
  const textOf = rowText(options);
  let router: Promise<MessageRouter> | undefined;
  return {
    columns: [...own, ...fieldLabels.map((label) => (own.includes(label) ? `field_${label}` : label))],
    reads: textOf.reads,
    settings: { text: textOf.template, threshold },
    sharesBeginning: false,
    async run(row, signal) {
      const text = textOf(row);
      router ??= MessageRouter.of(model);
      const routing = (await router).routeInPieces(text, { threshold });
      const routed = await new Budget({ signal }).inTurns('route', routing);
      const { fields } = routed.prediction;
      const said = {
        intent: routed.prediction.intent,
        confidence: rounded(routed.prediction.confidence, 4),
        action: routed.action,
        answer: routed.action === 'answer' && routed.isAnswer ? routed.text : null,
        source: routed.source ?? null,
        flags: listed(routed.flags.map(({ flag }) => flag)),
      };
      const found = fieldLabels.map((label) =>
        listed(fields.filter((field) => field.label === label).map((field) => field.text)),
      );
      return { cells: [...own.map((name) => said[name as keyof typeof said]), ...found] };
    },
    preview: (row) => ({ text: textOf(row) }),
  };
}

/** Several in one cell; none is an empty cell. */
function listed(texts: readonly string[]): string | null {
  return texts.length === 0 ? null : texts.join('; ');
}

/** Work that turns each row into a vector: column embedding, a list of numbers. */
export function embeddingWork(model: LanguageModel, options: RowTextOptions = {}): RowWork {
  checkOptions('embeddingWork', options, TEXT_OPTIONS);
  const textOf = rowText(options);
  const tokensOf = (text: string) => endedTokens(model.tokenize(text), model.tokenizer);
  return {
    columns: ['embedding'],
    reads: textOf.reads,
    settings: { text: textOf.template, embedding: true },
    sharesBeginning: false,
    async run(row, signal) {
      const tokens = tokensOf(textOf(row));
      const vector = await model.embed(tokens, { signal });
      const used = { prompt: tokens.length, cached: 0, completion: 0 };
      return { cells: [Array.from(vector, (value) => rounded(value, 6))], tokens: used };
    },
    preview(row) {
      const text = textOf(row);
      return { text, tokens: tokensOf(text).length };
    },
  };
}
