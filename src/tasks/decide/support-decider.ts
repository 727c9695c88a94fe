// Owns answering fixed questions by a support model: labels are its intents by name, or those that their words are about. Must not know wire formats.
import { wrong } from '../../core/check.ts';
import { stemOf } from '../answers/passage-index.ts';
import { OUT_OF_SCOPE } from '../support/rows.ts';
import type { SupportModel } from '../support/support-model.ts';
import { wordsOf } from '../support/words.ts';
import { spoken } from '../texts/index.ts';
import { sumOf } from './calibrate.ts';
import type { Decider, DecisionOption } from './questions.ts';
import { chancesOf, keyOf, trainedDecider } from './trained-decider.ts';

/** Labels that stand for everything else. */
const NONE = new Set([OUT_OF_SCOPE, 'none', 'other', 'none of these', 'none of the above', 'out of scope', 'unknown']);
/** What no option has is left out; probabilities of options that nothing speaks for are this, so that they sum to 1. */
const LEAST = 1e-6;
/** Intents that a description is about with less than this are not meant. */
const LEAST_MEANT = 0.1;

/** A decider over the intents and flags of `model`, or over the question that it was trained on. */
export function supportDecider(model: SupportModel): Decider {
  if (typeof model?.predict !== 'function') throw wrong('supportDecider', 'model', 'be one of loadSupport', model);
  if (model.parts.question) return trainedDecider(model, model.parts.question);
  const intentOf = new Map(model.intents.map((intent, i) => [keyOf(intent), i]));
  const ofIntents = (text: string) => chancesOf(model, text, model.intents);
  /** How much of each intent is meant by words: all of one where they are its name. */
  const meantBy = ({ label, description }: DecisionOption): number[] => {
    const named = intentOf.get(keyOf(label));
    if (named !== undefined) return model.intents.map((_, i) => Number(i === named));
    const { chances, outOfScope } = ofIntents(description ? `${spoken(label)} ${description}` : spoken(label));
    return chances.map((chance) => (chance >= LEAST_MEANT ? chance * (1 - outOfScope) : 0));
  };
  return {
    async probabilities(text, _instructions, options) {
      const { chances, outOfScope } = ofIntents(text);
      const hasNone = options.some(({ label }) => NONE.has(keyOf(label)) && !intentOf.has(keyOf(label)));
      const weights = options.map((option) => {
        if (NONE.has(keyOf(option.label)) && !intentOf.has(keyOf(option.label))) return outOfScope;
        const meant = meantBy(option);
        const share = meant.reduce((sum, part, i) => sum + part * chances[i], 0);
        return hasNone ? share * (1 - outOfScope) : share;
      });
      const sum = sumOf(weights.map((weight) => weight + LEAST));
      return weights.map((weight) => (weight + LEAST) / sum);
    },
    async yes(text, instructions) {
      const asked = new Set(wordsOf(instructions).map(stemOf));
      const flag = model.flagLabels.findIndex((label) =>
        wordsOf(spoken(label)).every((word) => asked.has(stemOf(word))),
      );
      if (flag >= 0) return model.readFlags(text)[flag].probability;
      const { chances, outOfScope } = ofIntents(text);
      const meant = meantBy({ label: instructions });
      const most = Math.max(...meant, LEAST);
      return chances.reduce((sum, chance, i) => sum + chance * (meant[i] / most), 0) * (1 - outOfScope);
    },
  };
}
