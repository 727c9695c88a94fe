// Owns the PTQ1_0 format: blocks of 128 ternary weights, 26 bytes of base-3 digits, then an fp16 scale. Source: PrismML's fork of ggml, block_ptq1_0.
import { type DigitGroup, packBase3, pairsOfBase3, unpackBase3 } from './base3.ts';
import { ternaryFormat } from './ternary.ts';

const groups: readonly DigitGroup[] = [
  { at: 0, width: 16, weight: 0, digits: 5 },
  { at: 16, width: 8, weight: 80, digits: 5 },
  { at: 24, width: 2, weight: 120, digits: 4 },
];

/** PTQ1_0: 1.75 bits per weight. */
export const ptq1_0 = {
  ...ternaryFormat({
    name: 'ptq1_0',
    ggmlType: 143,
    ggmlName: "PrismML's PTQ1_0",
    blockSize: 128,
    blockBytes: 28,
    scaleAt: 26,
    unpack: (bytes, at, codes) => unpackBase3(groups, bytes, at, codes),
    pairs: (bytes, at, out, to) => pairsOfBase3(groups, bytes, at, out, to),
    pack: (codes, bytes, at) => packBase3(groups, codes, bytes, at),
  }),
  isFork: true,
} as const;
