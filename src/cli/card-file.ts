// Owns the card that every training writes beside its model. What a card says: train/model-card.ts.
import { readFile } from 'node:fs/promises';
import type { SupportModel } from '../tasks/support/index.ts';
import { type CardFacts, modelCard } from '../train/model-card.ts';
import type { Output, Outputs } from './outputs.ts';

export interface CardFlags {
  output: string;
  /** False when switched off. */
  card?: string | false;
}

export const CARD_OPTION = [
  '--card <file>',
  "the model's card, for onebit publish (default: OUT.card.md); what you wrote in it stays",
] as const;

/** Where the card of a model goes, if anywhere. */
export function cardPath({ output, card }: CardFlags): string | undefined {
  return card === false ? undefined : (card ?? `${output.replace(/\.gguf$/i, '')}.card.md`);
}

/** The card as an output of a command. */
export function cardOutput(flags: CardFlags): Output[] {
  const path = cardPath(flags);
  return path === undefined ? [] : [{ option: '--card', path, kind: 'card' }];
}

/** Writes the card; what people wrote in that of an earlier run stays. @throws OnebitError `io` */
export async function writeCard(flags: CardFlags, facts: CardFacts, outputs: Outputs): Promise<void> {
  const path = cardPath(flags);
  if (path === undefined) return;
  const before = await readFile(outputs.pathOf(path), 'utf8').catch(() => undefined);
  await outputs.write(path, new TextEncoder().encode(modelCard(facts, before)));
}

/** What the training of a model of labelled texts knows. @param texts names of the texts' files */
export function supportFacts(
  { facts, intents, parts }: SupportModel,
  texts: readonly string[],
  bytes: number,
): CardFacts {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const { accuracy, coverage, precision } = facts.heldOut;
  const { documents, question } = parts;
  const quality = `${percent(accuracy)} right on rows held out from training`;
  const kept = `; from the threshold ${facts.threshold.toFixed(3)} on ${percent(coverage)} are answered, ${percent(precision)} of them rightly`;
  const made: [string, string | false][] = [
    ['Texts', texts.join(', ')],
    ['Rows', intents.length > 0 && `${facts.trainedRows} of ${intents.length} ${question ? 'answers' : 'intents'}`],
    ['Passages', documents !== undefined && `${documents.index.passages.length}`],
    ['File', `${bytes} bytes, 1-bit weights`],
    ['Training', `seed ${facts.seed}`],
    ['Quality', intents.length > 0 && quality + (question ? '' : kept)],
  ];
  return {
    name: facts.name,
    task: 'text-classification',
    made: made.filter((row): row is [string, string] => row[1] !== false),
  };
}
