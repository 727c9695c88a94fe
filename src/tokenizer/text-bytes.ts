// Owns the conversions between bytes, UTF-16 strings and strings with one byte per character. Knows nothing of tokens.

const CHUNK = 8192;

/** The string whose UTF-16 units are `units`. With bytes: a string of U+0000..U+00FF, one per byte. */
export function stringOfUnits(units: Uint8Array | Uint16Array): string {
  if (units.length <= CHUNK) return String.fromCharCode.apply(null, units as unknown as number[]);
  const parts: string[] = [];
  for (let i = 0; i < units.length; i += CHUNK)
    parts.push(String.fromCharCode.apply(null, units.subarray(i, i + CHUNK) as unknown as number[]));
  return parts.join('');
}

const encoder = new TextEncoder();
const ascii = /^[\0-\x7f]*$/;

/** The UTF-8 bytes of `text` as a string of U+0000..U+00FF. Lone surrogates become U+FFFD. */
export function byteString(text: string): string {
  return ascii.test(text) ? text : stringOfUnits(encoder.encode(text));
}

/** The bytes of a string of U+0000..U+00FF. */
export function bytesOfByteString(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/**
 * Decodes UTF-8 as llama.cpp's byte-pair tokenizer does: every byte that is not part of a well-formed character becomes one U+FFFD
 * (TextDecoder makes one of each cut-off sequence). Unlike llama.cpp, overlong forms, encoded surrogates and code points above U+10FFFF
 * are ill-formed too, as the Unicode standard has it.
 */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return decodeBroken(bytes);
  }
}

function decodeBroken(bytes: Uint8Array): string {
  const units = new Uint16Array(bytes.length);
  let count = 0;
  for (let i = 0; i < bytes.length; ) {
    const length = characterLength(bytes, i);
    if (length <= 1) {
      units[count++] = length ? bytes[i] : 0xfffd;
      i++;
      continue;
    }
    let point = bytes[i] & (0xff >> (length + 1));
    for (let k = 1; k < length; k++) point = (point << 6) | (bytes[i + k] & 0x3f);
    if (point > 0xffff) {
      units[count++] = 0xd7c0 + (point >> 10);
      units[count++] = 0xdc00 | (point & 0x3ff);
    } else units[count++] = point;
    i += length;
  }
  return stringOfUnits(units.subarray(0, count));
}

/** Bytes of the well-formed UTF-8 character at `i`, or 0. Source: table 3-7 of the Unicode standard. */
function characterLength(bytes: Uint8Array, i: number): number {
  const lead = bytes[i];
  if (lead < 0x80) return 1;
  const length = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  if (i + length > bytes.length) return 0;
  for (let k = 1; k < length; k++) if ((bytes[i + k] & 0xc0) !== 0x80) return 0;
  const second = bytes[i + 1];
  if (lead === 0xe0 && second < 0xa0) return 0;
  if (lead === 0xed && second > 0x9f) return 0;
  if (lead === 0xf0 && second < 0x90) return 0;
  if (lead === 0xf4 && second > 0x8f) return 0;
  return length;
}
