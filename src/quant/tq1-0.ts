// Owns the TQ1_0 format: blocks of 256 ternary weights, 52 bytes of base-3 digits, then an fp16 scale. Source: ggml's block_tq1_0.
import { type DigitGroup, packBase3, pairsOfBase3, unpackBase3 } from './base3.ts';
import { ternaryFormat } from './ternary.ts';

const groups: readonly DigitGroup[] = [
  { at: 0, width: 32, weight: 0, digits: 5 },
  { at: 32, width: 16, weight: 160, digits: 5 },
  { at: 48, width: 4, weight: 240, digits: 4 },
];

/** TQ1_0: 1.6875 bits per weight. */
export const tq1_0 = ternaryFormat({
  name: 'tq1_0',
  ggmlType: 34,
  ggmlName: 'TQ1_0',
  blockSize: 256,
  blockBytes: 54,
  scaleAt: 52,
  unpack: (bytes, at, codes) => unpackBase3(groups, bytes, at, codes),
  pairs: (bytes, at, out, to) => pairsOfBase3(groups, bytes, at, out, to),
  pack: (codes, bytes, at) => packBase3(groups, codes, bytes, at),
});
