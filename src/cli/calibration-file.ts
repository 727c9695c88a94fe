// Owns the file that says what a model's confidence is worth: `onebit evaluate --calibrate` writes it, `--abstain` reads it. Must not know models.

import type { Command } from 'commander';
import { checkArgument } from '../core/check.ts';
import { OnebitError } from '../errors.ts';
import type { CalibrationReport } from '../evaluate/calibration.ts';
import { type Abstain, type Calibration, checkCalibration } from '../generate/abstain.ts';
import { openSource } from '../load.ts';
import { modelDigest } from '../provenance/index.ts';
import { modelNameOf, numberBetween, refuseAlone } from './context.ts';
import { modelPathOf } from './file-identity.ts';
import { readInputJson } from './read-input.ts';

const KIND = 'onebit-calibration';

/** What such a file holds, beside what was measured. */
interface CalibrationFile extends Calibration {
  readonly kind: typeof KIND;
  /** Of whom it is: a calibration says nothing of another model. */
  readonly model: { readonly name: string; readonly identity: string };
}

export interface AbstainFlags {
  abstain?: string;
  abstainBelow: number;
  abstainAnswer: string;
}

/** Adds --abstain and what belongs to it. */
export function addAbstainOptions(command: Command): Command {
  return refuseAlone(command, ['abstainBelow', 'abstainAnswer'], 'abstain')
    .option('--abstain <file>', 'do not answer where the model is not sure: a file of onebit evaluate --calibrate')
    .option(
      '--abstain-below <p>',
      'with --abstain: chance of being right below which nothing is answered',
      numberBetween(0, 1),
      0.5,
    )
    .option('--abstain-answer <text>', 'with --abstain: what is said instead', 'I am not sure enough to answer that.');
}

/** The calibration of a model as a file. */
export function calibrationFile(
  calibration: Calibration,
  { name, identity, report }: { name: string; identity: string; report: CalibrationReport },
): string {
  return `${JSON.stringify({ kind: KIND, model: { name, identity }, ...calibration, measured: report }, undefined, 2)}\n`;
}

/**
 * What the flags mean for a model: a file's path or a name. @throws OnebitError `bad-argument` for a file of something else, or of another model: with an
 * adapter it is another one
 */
export async function abstainOf(
  { abstain, abstainBelow, abstainAnswer, lora }: AbstainFlags & { readonly lora?: unknown },
  model: string | undefined,
  signal: AbortSignal,
): Promise<Abstain | undefined> {
  if (abstain === undefined) return undefined;
  if (lora !== undefined) {
    throw new OnebitError(
      'bad-argument',
      'abstain: a calibration is of a model without adapters, got --lora. Merge them first: onebit convert --lora, then calibrate what it wrote.',
    );
  }
  const file = calibrationIn(await readInputJson(abstain, 'read calibration', signal), abstain);
  const identity = await identityOf(modelNameOf({ model }), signal);
  if (identity !== file.model.identity) {
    throw new OnebitError(
      'bad-argument',
      `abstain: ${abstain} must be of the model that answers, it is of ${file.model.name}. Make one by onebit evaluate --calibrate.`,
    );
  }
  const { measure, samples, slope, offset } = file;
  return { answer: abstainAnswer, atLeast: abstainBelow, calibration: { measure, samples, slope, offset } };
}

/** @throws OnebitError `bad-argument` for what is no such file */
function calibrationIn(value: unknown, path: string): CalibrationFile {
  const file = value as CalibrationFile;
  try {
    checkArgument('calibration', 'file', value, 'object');
    checkArgument('calibration', 'kind', file.kind, [KIND]);
    checkArgument('calibration', 'model', file.model, 'object');
    checkArgument('calibration', 'model.name', file.model.name, 'text');
    checkArgument('calibration', 'model.identity', file.model.identity, 'text');
    checkCalibration(file);
    if (file.samples !== undefined) checkCalibration({ ...file, measure: 'agreement' });
    return file;
  } catch (cause) {
    throw new OnebitError(
      'bad-argument',
      `abstain: ${path} must be a calibration, it is not: ${(cause as Error).message} Make one by onebit evaluate --calibrate.`,
      { cause },
    );
  }
}

/** The digest of a model that lies here: a file, a folder of Transformers, one that was pulled; what lies elsewhere is told apart by its name. */
export async function identityOf(name: string, signal: AbortSignal): Promise<string> {
  const path = await modelPathOf(name);
  if (path === undefined) return name;
  const source = await openSource(path, { signal });
  try {
    return await modelDigest(source, signal);
  } finally {
    await source.close();
  }
}
