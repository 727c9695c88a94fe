// Owns what a model says of its own making: digests of what it was trained on, and the options. Must not know files.
import { hexOf, sha256 } from '../../core/digest.ts';
import type { SupportRow } from './rows.ts';
import type { SupportTraining } from './support-model.ts';

/** What was given to the training; scalars among the others are options. */
interface Given {
  readonly codeVersion?: string;
  readonly documents?: readonly unknown[];
  readonly texts?: object;
}

/** What makes a model again. @param seed the one that was used */
export async function trainingFacts(
  rows: readonly SupportRow[],
  options: Given,
  seed: number,
): Promise<SupportTraining> {
  const { codeVersion, documents, texts, ...others } = options;
  const scalars = Object.entries({ ...others, seed }).filter(([name, value]) => name !== 'name' && isScalar(value));
  return {
    ...(codeVersion === undefined ? {} : { version: codeVersion }),
    rows: await digestOf(rows.map(({ text, intent, answer, slots, flags }) => [text, intent, answer, slots, flags])),
    ...(documents?.length ? { documents: await digestOf(documents) } : {}),
    ...(texts ? { texts: await digestOf(texts) } : {}),
    options: Object.fromEntries(scalars) as SupportTraining['options'],
  };
}

/** What a file says of its making. @throws Error where it is something else */
export function readTrainingFacts(value: unknown): SupportTraining {
  const { version, rows, documents, texts, options } = (value ?? {}) as Partial<SupportTraining>;
  const isDigest = (digest: unknown) => typeof digest === 'string' && /^[0-9a-f]{64}$/.test(digest);
  const digests = [rows, documents, texts].filter((digest) => digest !== undefined);
  const given = typeof options === 'object' && options !== null ? Object.entries(options) : [];
  const isText = version === undefined || (typeof version === 'string' && version.length <= 200);
  if (rows === undefined || !digests.every(isDigest) || !isText || !given.every(([, one]) => isScalar(one))) {
    throw new Error('something else');
  }
  const kept = Object.entries({ version, rows, documents, texts }).filter(([, one]) => one !== undefined);
  return { ...Object.fromEntries(kept), rows, options: Object.fromEntries(given) };
}

function isScalar(value: unknown): value is string | number | boolean {
  return ['string', 'number', 'boolean'].includes(typeof value);
}

async function digestOf(value: unknown): Promise<string> {
  return hexOf(await sha256(JSON.stringify(value)));
}
