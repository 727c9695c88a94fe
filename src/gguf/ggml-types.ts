// Owns the names behind ggml's tensor type ids, for messages. Source: ggml.h's enum ggml_type (removed types included), PrismML's fork for 142 and 143.

const NAMES: Record<number, string> = {
  0: 'F32',
  1: 'F16',
  2: 'Q4_0',
  3: 'Q4_1',
  4: 'Q4_2 (removed from ggml)',
  5: 'Q4_3 (removed from ggml)',
  6: 'Q5_0',
  7: 'Q5_1',
  8: 'Q8_0',
  9: 'Q8_1',
  10: 'Q2_K',
  11: 'Q3_K',
  12: 'Q4_K',
  13: 'Q5_K',
  14: 'Q6_K',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  20: 'IQ4_NL',
  21: 'IQ3_S',
  22: 'IQ2_S',
  23: 'IQ4_XS',
  24: 'I8',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  29: 'IQ1_M',
  30: 'BF16',
  31: 'Q4_0_4_4 (removed from ggml)',
  32: 'Q4_0_4_8 (removed from ggml)',
  33: 'Q4_0_8_8 (removed from ggml)',
  34: 'TQ1_0',
  35: 'TQ2_0',
  36: "BitNet's I2_S (in old ggml files IQ4_NL_4_4)",
  37: 'IQ4_NL_4_8 (removed from ggml)',
  38: 'IQ4_NL_8_8 (removed from ggml)',
  39: 'MXFP4',
  40: 'NVFP4',
  41: 'Q1_0',
  42: 'Q2_0',
  43: 'STQ1_0',
  142: "PrismML's PQ2_0",
  143: "PrismML's PTQ1_0",
  145: 'SPTQ1_0',
  146: 'SPTQ2_0',
};

/** Types that hold ternary weights: re-quantising those to one bit would destroy the model. */
const TERNARY = new Set([34, 35, 36, 43, 142, 143, 145, 146]);

/** ggml's name of a tensor type id, or that none is known. */
export function ggmlTypeName(type: number): string {
  return NAMES[type] ?? (type >= 140 && type < 160 ? "a private type of PrismML's, as PQ1_0 is" : 'unknown to ggml');
}

/** What to do about a tensor type that the engine does not run. */
export function ggmlTypeAdvice(type: number): string {
  return TERNARY.has(type)
    ? 'Get the model in Q2_0, TQ1_0, TQ2_0, PQ2_0 or PTQ1_0.'
    : 'Get the model in Q1_0 or Q8_0, or in another format that onebit lists (docs/formats.md).';
}
