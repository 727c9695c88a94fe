// Owns adding intents and corrections to a model. Nothing is forgotten because everything is learnt again: the rows in the model's file and the new
// ones. Must not know files.
import { checkOptions } from '../../core/check.ts';
import { OnebitError } from '../../errors.ts';
import { checkSupportRows, type SupportRow } from './rows.ts';
import { checkSupportModel, type SupportModel } from './support-model.ts';
import { TRAIN_SUPPORT_OPTIONS, type TrainSupportOptions, trainSupport } from './train-support.ts';
import { textKey } from './words.ts';

/**
 * A new model of the old one's rows and `rows`: new intents, more examples, corrections (a row whose text is known replaces it), new answers. Options not
 * given are those of the model. Throws `bad-argument` where the model's file holds no rows, and as `trainSupport`.
 */
export async function updateSupport(
  model: SupportModel,
  rows: readonly SupportRow[],
  options: TrainSupportOptions = {},
): Promise<SupportModel> {
  checkSupportModel('updateSupport', model);
  checkSupportRows('updateSupport', rows);
  checkOptions('updateSupport', options, TRAIN_SUPPORT_OPTIONS);
  const { facts, answers, parts } = model;
  if (parts.examples.length === 0) {
    throw new OnebitError(
      'bad-argument',
      'support update: the model must hold the rows it was trained on, it was made without them. Train a new one from all rows.',
    );
  }
  const corrected = new Set(rows.map(({ text }) => textKey(text)));
  const kept = parts.examples.filter(({ text }) => !corrected.has(textKey(text)));
  const answered = new Set<string>();
  const old = kept.map(({ text, intent, slots, flags }) => {
    const answer = answered.has(intent) ? undefined : answers.get(intent);
    answered.add(intent);
    return { text, intent, ...(slots ? { slots } : {}), ...(flags ? { flags } : {}), ...(answer ? { answer } : {}) };
  });
  return trainSupport([...old, ...rows], {
    ...options,
    texts: options.texts ?? parts.texts,
    documents: options.documents ?? parts.documents?.index.passages,
    name: options.name ?? facts.name,
    precision: options.precision ?? facts.precision,
    expectedOutOfScope: options.expectedOutOfScope ?? facts.expectedOutOfScope,
    seed: options.seed ?? facts.seed,
  });
}
