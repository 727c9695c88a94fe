// Owns the BF16 format: the upper halves of binary32, little-endian, no blocks.
import { bfloatToFloat, floatToBfloat } from '../core/half.ts';
import { checkDecode, checkEncode, readU16, tooLarge, writeU16 } from './blocks.ts';
import type { FormatOf } from './format.ts';

/** BF16: 2 bytes per weight, rounded to nearest even. Encoding throws `bad-argument` where a weight rounds to infinity. */
export const bf16: FormatOf<'bf16'> = {
  name: 'bf16',
  ggmlType: 30,
  ggmlName: 'BF16',
  kind: 'float',
  blockSize: 1,
  blockBytes: 2,
  decode(bytes, out) {
    checkDecode(bf16, bytes, out);
    for (let i = 0; i < out.length; i++) out[i] = bfloatToFloat(readU16(bytes, 2 * i));
  },
  encode(values, out) {
    checkEncode(bf16, values, out);
    for (let i = 0; i < values.length; i++) {
      const bits = floatToBfloat(values[i]);
      if ((bits & 0x7fff) === 0x7f80) throw tooLarge(bf16, 'a weight', values[i], i);
      writeU16(out, 2 * i, bits);
    }
  },
};
