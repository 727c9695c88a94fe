// Owns the TQ2_0 format: blocks of 256 weights, 64 bytes of 2-bit codes, then an fp16 scale. Weight 128 g + 32 l + m is bits 2 l of byte 32 g + m.
// Source: ggml's block_tq2_0 and its reference quantiser.
import { pairPlace, ternaryFormat, turnPairs } from './ternary.ts';

/** TQ2_0: 2.0625 bits per weight. */
export const tq2_0 = ternaryFormat({
  name: 'tq2_0',
  ggmlType: 35,
  ggmlName: 'TQ2_0',
  blockSize: 256,
  blockBytes: 66,
  scaleAt: 64,
  unpack(bytes, at, codes) {
    let to = 0;
    for (let from = at; from < at + 64; from += 32) {
      for (let shift = 0; shift < 8; shift += 2) {
        for (let m = 0; m < 32; m++) codes[to++] = (bytes[from + m] >> shift) & 3;
      }
    }
  },
  pairs(bytes, at, out, to) {
    for (let i = 0; i < 64; i += 4) turnPairs(bytes, at + i, out, pairPlace(to, ((i >> 5) << 7) + (i & 31)), 8);
  },
  pack(codes, bytes, at) {
    for (let j = 0; j < 256; j++) bytes[at + ((j >> 7) << 5) + (j & 31)] |= codes[j] << (((j >> 5) & 3) << 1);
  },
});
