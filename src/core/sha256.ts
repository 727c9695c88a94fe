// Owns SHA-256 of bytes that come in pieces, where Web Crypto wants them all at once (digest.ts). Source: FIPS 180-4.

const BLOCK_BYTES = 64;

/** First 32 bits of the fractional parts of the roots of the first primes: cube roots as round constants, square roots as the first state. */
const [CONSTANTS, FIRST_STATE] = primeRoots();

function primeRoots(): [Int32Array, Int32Array] {
  const [cubes, squares] = [new Int32Array(64), new Int32Array(8)];
  const fraction = (root: number) => (root % 1) * 2 ** 32;
  for (let n = 2, found = 0; found < 64; n++) {
    let prime = true;
    for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
    if (!prime) continue;
    if (found < 8) squares[found] = fraction(n ** (1 / 2));
    cubes[found++] = fraction(n ** (1 / 3));
  }
  return [cubes, squares];
}

/** A hash in the making. */
export class Sha256 {
  readonly #state = FIRST_STATE.slice();
  readonly #block = new Uint8Array(BLOCK_BYTES);
  readonly #words = new Int32Array(64);
  #bytes = 0;

  /** Takes the next bytes. */
  update(bytes: Uint8Array): void {
    let at = 0;
    const held = this.#bytes % BLOCK_BYTES;
    this.#bytes += bytes.length;
    if (held > 0) {
      at = Math.min(BLOCK_BYTES - held, bytes.length);
      this.#block.set(bytes.subarray(0, at), held);
      if (held + at < BLOCK_BYTES) return;
      this.#mix(this.#block, 0);
    }
    for (; at + BLOCK_BYTES <= bytes.length; at += BLOCK_BYTES) this.#mix(bytes, at);
    this.#block.set(bytes.subarray(at));
  }

  /** The hash of everything so far, 32 bytes; nothing may follow. */
  digest(): Uint8Array {
    const length = this.#bytes;
    const held = length % BLOCK_BYTES;
    const tail = new Uint8Array(held < BLOCK_BYTES - 8 ? BLOCK_BYTES - held : 2 * BLOCK_BYTES - held);
    tail[0] = 0x80;
    const view = new DataView(tail.buffer);
    view.setUint32(tail.length - 8, Math.floor(length / 2 ** 29));
    view.setUint32(tail.length - 4, length << 3);
    this.update(tail);
    const out = new DataView(new ArrayBuffer(32));
    for (const [i, word] of this.#state.entries()) out.setInt32(4 * i, word);
    return new Uint8Array(out.buffer);
  }

  #mix(bytes: Uint8Array, from: number): void {
    const w = this.#words;
    for (let i = 0; i < 16; i++, from += 4) {
      w[i] = (bytes[from] << 24) | (bytes[from + 1] << 16) | (bytes[from + 2] << 8) | bytes[from + 3];
    }
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15];
      const y = w[i - 2];
      const s0 = rotated(x, 7) ^ rotated(x, 18) ^ (x >>> 3);
      const s1 = rotated(y, 17) ^ rotated(y, 19) ^ (y >>> 10);
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
    }
    const s = this.#state;
    let a = s[0];
    let b = s[1];
    let c = s[2];
    let d = s[3];
    let e = s[4];
    let f = s[5];
    let g = s[6];
    let h = s[7];
    for (let i = 0; i < 64; i++) {
      const s1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25);
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + CONSTANTS[i] + w[i]) | 0;
      const s0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22);
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    s[0] += a;
    s[1] += b;
    s[2] += c;
    s[3] += d;
    s[4] += e;
    s[5] += f;
    s[6] += g;
    s[7] += h;
  }
}

/** `x` rotated right by `n` bits. */
const rotated = (x: number, n: number) => (x >>> n) | (x << (32 - n));
