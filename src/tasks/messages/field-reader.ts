// Owns reading all fields of a text, those that a model has learnt and those that need no examples, in the language of the text. Must not know who asks.
import type { InPieces } from '../../core/budget.ts';
import { type Field, readyPieces, withReadyFields } from '../fields/index.ts';
import type { SupportModel } from '../support/support-model.ts';
import { languageReader } from '../texts/index.ts';

/** Whose fields, and how they are written. */
export interface FieldReaderOptions {
  /** Of phone numbers without a country code; default that of the business. */
  readonly country?: string;
  /** Of dates; default that of each text, or that of the business where it is not clear. */
  readonly language?: string;
}

/** Loads the libraries and gives what reads the fields of a text, a piece at a time, with a model of the business or without. @throws OnebitError `bad-argument` for an unknown country */
export async function fieldReader(
  model?: SupportModel,
  { country, language }: FieldReaderOptions = {},
): Promise<(text: string) => InPieces<Field[]>> {
  const ready = await readyPieces({ country: country ?? model?.texts.country });
  const tell = language === undefined ? await languageReader() : () => language;
  return function* (text) {
    const usual = model?.texts.language;
    const found = yield* ready(text, tell(text, undefined, usual) ?? usual);
    return withReadyFields(model?.readFields(text) ?? [], found);
  };
}
