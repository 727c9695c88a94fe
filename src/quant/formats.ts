// Owns the list of weight formats that the engine runs. Everything that goes through all formats takes them from here: tests, fuzzer, commands, documents.
import { wrong } from '../core/check.ts';
import { bf16 } from './bf16.ts';
import { f16 } from './f16.ts';
import { f32 } from './f32.ts';
import type { FormatOf, KernelFormatName } from './format.ts';
import { i2_s, i2_s_64 } from './i2-s.ts';
import { iq4_nl } from './iq4-nl.ts';
import { ptq1_0 } from './ptq1-0.ts';
import { q1_0 } from './q1-0.ts';
import { pq2_0, q2_0, q2_0_128 } from './q2-0.ts';
import { q4_0, q5_0 } from './q4-0.ts';
import { q4_1, q5_1 } from './q4-1.ts';
import { q4_k, q5_k } from './q4-k.ts';
import { q6_k } from './q6-k.ts';
import { q8_0 } from './q8-0.ts';
import { tq1_0 } from './tq1-0.ts';
import { tq2_0 } from './tq2-0.ts';

const all = [
  ...[f32, f16, bf16, q8_0, q1_0, q2_0, q2_0_128],
  ...[tq1_0, tq2_0, pq2_0, ptq1_0, i2_s, i2_s_64],
  ...[q4_0, q4_1, q5_0, q5_1, q4_k, q5_k, q6_k, iq4_nl],
] as const;

/** Names of the weight formats the engine runs, as commands and benchmark rows spell them. */
export type FormatName =
  | KernelFormatName
  | ('tq1_0' | 'tq2_0' | 'pq2_0' | 'ptq1_0' | 'i2_s' | 'i2_s-64')
  | ('q4_0' | 'q4_1' | 'q5_0' | 'q5_1' | 'q4_k' | 'q5_k' | 'q6_k' | 'iq4_nl');
export type Format = FormatOf<FormatName>;

/** All formats: those that kernels read, the exact ones first, then those that become one of these. */
export const formats: readonly Format[] = all;

const byName = new Map<string, Format>(formats.map((format) => [format.name, format]));

/** The format called `name`. */
export function formatByName(name: FormatName): Format {
  const format = byName.get(name);
  if (!format) throw wrong('formatByName', 'name', `be one of ${[...byName.keys()].join(', ')}`, name);
  return format;
}

/** The format that kernels read in place of `name`. */
export function kernelFormatOf(name: FormatName): KernelFormatName {
  return formatByName(name).recode?.as ?? (name as KernelFormatName);
}

/** The formats behind a ggml type id: none when the engine does not run it, two for ids whose layouts the id does not tell apart (42 and 36). */
export function formatsOfGgmlType(type: number): readonly Format[] {
  return formats.filter((format) => format.ggmlType === type);
}
