// Owns the TQ2_0 format: blocks of 256 weights, 64 bytes of 2-bit codes, then an fp16 scale. Weight 128 g + 32 l + m is bits 2 l of byte 32 g + m.
// Source: ggml's block_tq2_0 and its reference quantiser.
import { ternaryFormat } from './ternary.ts';

/** TQ2_0: 2.0625 bits per weight. */
export const tq2_0 = ternaryFormat({
  name: 'tq2_0',
  ggmlType: 35,
  ggmlName: 'TQ2_0',
  blockSize: 256,
  blockBytes: 66,
  scaleAt: 64,
  unpack(bytes, at, codes) {
    for (let j = 0; j < 256; j++) codes[j] = (bytes[at + ((j >> 7) << 5) + (j & 31)] >> (((j >> 5) & 3) << 1)) & 3;
  },
  pack(codes, bytes, at) {
    for (let j = 0; j < 256; j++) bytes[at + ((j >> 7) << 5) + (j & 31)] |= codes[j] << (((j >> 5) & 3) << 1);
  },
});
