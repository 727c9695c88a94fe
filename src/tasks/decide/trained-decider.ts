// Owns answering by a model that was trained on the question. Must not know wire formats.
import { OnebitError } from '../../errors.ts';
import type { SupportModel, TrainedQuestion } from '../support/support-model.ts';
import { textKey } from '../support/words.ts';
import { spoken } from '../texts/index.ts';
import type { Decider, DecisionOption } from './questions.ts';

/** A decider over the one question of a model; however the question is put, it is that one. */
export function trainedDecider(model: SupportModel, question: TrainedQuestion): Decider {
  const answersOf = (text: string) => chancesOf(model, text, question.labels).chances;
  return {
    async probabilities(text, _instructions, options) {
      const places = placesOf(options, question);
      const chances = answersOf(text);
      return places.map((place) => chances[place]);
    },
    async yes(text) {
      if (question.type === 'yes-no') return answersOf(text)[1];
      throw refused(question, 'yes or no');
    },
  };
}

/** Which label each option is: by its name, or levels that are only numbered by their place. */
function placesOf(options: readonly DecisionOption[], question: TrainedQuestion): number[] {
  const keys = question.labels.map(keyOf);
  const byName = options.map(({ label }) => keys.indexOf(keyOf(label)));
  if (options.length === keys.length) {
    if (!byName.includes(-1)) return byName;
    const isNumbered = options.every(({ label }, i) => label === String(i));
    if (question.type === 'score' && isNumbered) return options.map((_, i) => i);
  }
  throw refused(question, options.map(({ label }) => label.slice(0, 40)).join(', '));
}

/** What the model gives each of its intents `labels`, in their order, and what is out of scope. */
export function chancesOf(
  model: SupportModel,
  text: string,
  labels: readonly string[],
): { chances: number[]; outOfScope: number } {
  const { intents, outOfScope } = model.predict(text, { top: model.intents.length });
  const chances = new Map(intents.map(({ intent, probability }) => [intent, probability]));
  return { chances: labels.map((label) => chances.get(label) ?? 0), outOfScope };
}

/** `card_arrival`, `cardArrival` and "Card arrival" are one name. */
export function keyOf(label: string): string {
  return textKey(spoken(label));
}

function refused({ instructions, labels }: TrainedQuestion, got: string): OnebitError {
  const about = instructions ? ` ("${instructions.slice(0, 80)}")` : '';
  return new OnebitError(
    'bad-argument',
    `decide: this model answers one question${about} with ${labels.slice(0, 10).join(', ')}, got ${got.slice(0, 120)}. Ask for these.`,
  );
}
