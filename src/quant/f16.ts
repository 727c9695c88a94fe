// Owns the F16 format: little-endian IEEE binary16, no blocks.
import { floatToHalf, halfTable } from '../core/half.ts';
import { checkDecode, checkEncode, tooLarge, writeU16 } from './blocks.ts';
import type { FormatOf } from './format.ts';

/** F16: 2 bytes per weight, rounded to nearest even. Encoding throws `bad-argument` where a weight rounds to infinity. */
export const f16: FormatOf<'f16'> = {
  name: 'f16',
  ggmlType: 1,
  ggmlName: 'F16',
  kind: 'float',
  blockSize: 1,
  blockBytes: 2,
  decode(bytes, out) {
    checkDecode(f16, bytes, out);
    const table = halfTable();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < out.length; i++) out[i] = table[view.getUint16(2 * i, true)];
  },
  encode(values, out) {
    checkEncode(f16, values, out);
    for (let i = 0; i < values.length; i++) {
      const half = floatToHalf(values[i]);
      if ((half & 0x7fff) === 0x7c00) throw tooLarge(f16, 'a weight', values[i], i);
      writeU16(out, 2 * i, half);
    }
  },
};
