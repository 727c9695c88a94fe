// Owns answering fixed questions by a language model: how likely it finds each label after the question, less how likely without the text. Options are always
// shown in the order of their labels, so that the order in which they are given cannot matter. Must not know how models compute.
import { exp } from '../../core/elementary.ts';
import { type Decider, type DecisionOption, MOST_QUESTIONS } from './questions.ts';

/** Log-probabilities of the tokens of documents, null where one begins: what `LanguageModel.scoreDocuments` gives. */
export type ScoreDocuments = (
  documents: readonly string[],
) => Promise<{ readonly logprobs: readonly (number | null)[] }>;

const YES_NO: readonly DecisionOption[] = [{ label: 'no' }, { label: 'yes' }];
const NO_TEXT = 'N/A';

/** How likely labels are without a text, by the question: it is the same for all texts. */
export type KnownQuestions = Map<string, readonly number[]>;

/** @param known what was computed of questions already, to be shared by deciders of one model */
export function likelihoodDecider(score: ScoreDocuments, known: KnownQuestions = new Map()): Decider {
  const withoutText = async (question: string, labels: readonly string[]) => {
    const found = known.get(question) ?? (await likelihoods(score, question, labels));
    if (known.size < MOST_QUESTIONS) known.set(question, found);
    return found;
  };
  const probabilities = async (text: string, instructions: string, options: readonly DecisionOption[]) => {
    const order = options.map((_, i) => i).sort((a, b) => (options[a].label < options[b].label ? -1 : 1));
    const shown = order.map((i) => options[i]);
    const labels = shown.map(({ label }) => label);
    const asked = await likelihoods(score, prompt(text, instructions, shown), labels);
    const blank = await withoutText(prompt(NO_TEXT, instructions, shown), labels);
    const scores = asked.map((value, i) => value - blank[i]);
    const most = Math.max(...scores);
    const weights = scores.map((value) => exp(value - most));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    const out = new Array<number>(options.length);
    for (const [place, i] of order.entries()) out[i] = weights[place] / sum;
    return out;
  };
  return {
    probabilities,
    yes: async (text, instructions) => (await probabilities(text, instructions, YES_NO))[1],
  };
}

function prompt(text: string, instructions: string, options: readonly DecisionOption[]): string {
  const listed = options.map(({ label, description }) => `- ${label}${description ? `: ${description}` : ''}`);
  return `Text: ${text}\n\nQuestion: ${instructions}\n\nPossible answers:\n${listed.join('\n')}\n\nAnswer:`;
}

/** log P(label | prompt) of each label. */
async function likelihoods(score: ScoreDocuments, prompt: string, labels: readonly string[]): Promise<number[]> {
  const { logprobs } = await score([prompt, ...labels.map((label) => `${prompt} ${label}\n`)]);
  const sums = [0];
  for (const logprob of logprobs) {
    if (logprob === null) sums.push(0);
    else sums[sums.length - 1] += logprob;
  }
  return labels.map((_, i) => sums[i + 1] - sums[0]);
}
