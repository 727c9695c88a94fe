// Owns the F32 format: plain little-endian IEEE binary32, no blocks.
import { checkDecode, checkEncode } from './blocks.ts';
import type { FormatOf } from './format.ts';

/** F32: 4 bytes per weight, exact. */
export const f32: FormatOf<'f32'> = {
  name: 'f32',
  ggmlType: 0,
  ggmlName: 'F32',
  kind: 'float',
  blockSize: 1,
  blockBytes: 4,
  decode(bytes, out) {
    checkDecode(f32, bytes, out);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let i = 0; i < out.length; i++) out[i] = view.getFloat32(4 * i, true);
  },
  encode(values, out) {
    checkEncode(f32, values, out);
    const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
    for (let i = 0; i < values.length; i++) view.setFloat32(4 * i, values[i], true);
  },
};
