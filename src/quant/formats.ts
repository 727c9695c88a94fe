// Owns the list of weight formats that the engine runs.
import { bf16 } from './bf16.ts';
import { f16 } from './f16.ts';
import { f32 } from './f32.ts';
import type { Format, FormatName } from './format.ts';
import { q1_0 } from './q1-0.ts';
import { q2_0, q2_0_128 } from './q2-0.ts';
import { q8_0 } from './q8-0.ts';

/** All formats, the exact ones first. */
export const formats: readonly Format[] = [f32, f16, bf16, q8_0, q1_0, q2_0, q2_0_128];

const byName = new Map(formats.map((format) => [format.name, format]));

/** The format called `name`. */
export function formatByName(name: FormatName): Format {
  return byName.get(name) as Format;
}

/** The formats behind a ggml type id: none when the engine does not run it, two for id 42, whose layouts only sizes tell apart. */
export function formatsOfGgmlType(type: number): readonly Format[] {
  return formats.filter((format) => format.ggmlType === type);
}
