// Owns the routes that answer fixed questions: their two wire formats over one list of questions. Must not know who answers.
import { type Decider, type Decision, type DecisionQuestion, decideAll } from '../tasks/decide/index.ts';
import { badField } from './api-error.ts';
import type { Exchange } from './exchange.ts';
import type { DecisionsRequest, SystemOneRequest } from './schemas/decisions.ts';
import { LONGEST_QUERY } from './schemas/support.ts';

/** Who answers, under which name. */
export interface NamedDecider {
  readonly name: string;
  readonly decider: Decider;
}

/** The answer of /v1/systemone. */
export async function systemOne(
  { name, decider }: NamedDecider,
  body: SystemOneRequest,
  exchange: Exchange,
): Promise<object> {
  const text = textOf(body.state, 'state');
  const asked = Object.entries(body.questions);
  const questions = asked.map(([id, question]) => questionOf(id, question));
  const usage = await usageOf(text, questions, exchange);
  const found = await decideEach(decider, text, questions, exchange);
  const answers = asked.map(([id, { type }], i) => [id, systemOneAnswerOf(type, questions[i], found[i])]);
  return { model: name, answers: Object.fromEntries(answers), usage };
}

/** The answer of /v1/decisions. */
export async function decisions(
  { name, decider }: NamedDecider,
  body: DecisionsRequest,
  exchange: Exchange,
): Promise<object> {
  const text = textOf(body.input, 'input');
  const questions = body.questions.map((question): DecisionQuestion => {
    const { instructions } = question;
    if (question.type === 'predicate') return { type: 'yes-no', instructions };
    if (question.type === 'choice') {
      const options = question.choices.map(({ value, description }) => ({ label: value, ...described(description) }));
      return { type: 'choice', instructions, options };
    }
    const levels = question.levels.map(({ label, description }) => ({ label, ...described(description) }));
    return { type: 'score', instructions, levels };
  });
  const usage = await usageOf(text, questions, exchange);
  const found = await decideEach(decider, text, questions, exchange);
  const answers = body.questions.map(({ type, name }, i) => ({
    type,
    name,
    ...decisionFields(questions[i], found[i]),
  }));
  return { model: name, answers, usage };
}

/** The decisions in the order of the questions; others get the event loop between two of them. */
async function decideEach(
  decider: Decider,
  text: string,
  questions: readonly DecisionQuestion[],
  exchange: Exchange,
): Promise<Decision[]> {
  const found: Decision[] = [];
  for (const question of questions) {
    await exchange.budget.turn('decide');
    found.push(...(await decideAll(decider, text, [question])));
  }
  return found;
}

function decisionFields(question: DecisionQuestion, decision: Decision): object {
  if (decision.type === 'yes-no' || question.type === 'yes-no')
    return { probability: (decision as { probability: number }).probability };
  const { probabilities, confidence } = decision;
  if (decision.type === 'choice' && question.type === 'choice') {
    const listed = question.options.map(({ label }, i) => ({ value: label, probability: probabilities[i] }));
    return { choice: decision.choice, probabilities: listed, confidence };
  }
  const levels = question.type === 'score' ? question.levels : [];
  const listed = levels.map(({ label }, i) => ({ value: i, label, probability: probabilities[i] }));
  return { score: decision.type === 'score' ? decision.score : 0, probabilities: listed, confidence };
}

function questionOf(
  id: string,
  { type, instructions, criteria }: SystemOneRequest['questions'][string],
): DecisionQuestion {
  const said = textOf(instructions, `questions.${id}.instructions`);
  const wrong = (must: string) => badField(`questions.${id}.criteria`, `questions.${id}.criteria: ${must}.`);
  if (type === 'noul') {
    const meaning =
      criteria && !Array.isArray(criteria) && criteria.true != null ? ` ${textOf(criteria.true, 'criteria')}` : '';
    return { type: 'yes-no', instructions: said + meaning };
  }
  if (type === 'choice') {
    if (!criteria || Array.isArray(criteria)) throw wrong('a choice must have labels with descriptions (or null)');
    const options = Object.entries(criteria).map(([label, description]) => ({
      ...{ label, ...described(description == null ? null : textOf(description, 'criteria')) },
    }));
    if (options.length === 0 || options.length > 255)
      throw wrong(`there must be 1 to 255 labels, got ${options.length}`);
    return { type: 'choice', instructions: said, options };
  }
  if (!Array.isArray(criteria)) throw wrong('a score must have a list of levels, lowest first');
  const levels = criteria.map((level, i) => ({ label: String(i), description: textOf(level, 'criteria') }));
  return { type: 'score', instructions: said, levels };
}

function systemOneAnswerOf(type: 'noul' | 'choice' | 'score', question: DecisionQuestion, decision: Decision): object {
  if (decision.type === 'yes-no') return { type, noul: decision.probability };
  const labelled = (labels: readonly string[]) =>
    Object.fromEntries(labels.map((label, i) => [label, decision.probabilities[i]]));
  const { confidence } = decision;
  if (decision.type === 'choice' && question.type === 'choice') {
    return {
      type,
      choice: decision.choice,
      probabilities: labelled(question.options.map(({ label }) => label)),
      confidence,
    };
  }
  const levels = question.type === 'score' ? question.levels : [];
  const legend = Object.fromEntries(levels.map(({ label, description }) => [label, description ?? '']));
  const score = decision.type === 'score' ? decision.score : 0;
  return { type, score, legend, probabilities: labelled(levels.map(({ label }) => label)), confidence };
}

function described(description: string | null | undefined): { description?: string } {
  return description ? { description } : {};
}

/** A text as it is; of messages and other objects what is text in them, else their JSON. */
function textOf(value: unknown, field: string): string {
  const text = typeof value === 'string' ? value : partsOf(value).join('\n') || JSON.stringify(value);
  if (text.length <= LONGEST_QUERY) return text;
  throw badField(field, `${field}: it may have ${LONGEST_QUERY} characters, got ${text.length}.`);
}

function partsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (Array.isArray(value)) return value.flatMap(partsOf);
  if (typeof value !== 'object' || value === null) return [];
  const { messages, content, text } = value as Record<string, unknown>;
  return partsOf(messages ?? content ?? text);
}

/** What is read counts against the key's tokens; four characters count as one. */
async function usageOf(text: string, questions: readonly DecisionQuestion[], exchange: Exchange) {
  const characters = questions.reduce((sum, question) => {
    const options = question.type === 'choice' ? question.options : question.type === 'score' ? question.levels : [];
    const words = options.reduce((total, { label, description = '' }) => total + label.length + description.length, 0);
    return sum + text.length + question.instructions.length + words;
  }, 0);
  const tokens = Math.ceil(characters / 4);
  await exchange.reserveReading(tokens);
  return { input_tokens: tokens, output_tokens: 0 };
}
