// Owns SipHash-2-4, a keyed pseudorandom function of short messages: without the key its values look like fair dice. Must not know what is hashed.
// Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012). 64-bit words are pairs of 32-bit ones, low word first.

const BLOCK_BYTES = 8;
const START = [0x70736575, 0x736f6d65, 0x6e646f6d, 0x646f7261, 0x6e657261, 0x6c796765, 0x79746573, 0x74656462] as const;

/** Where a message has been taken in up to a whole number of blocks; messages that begin alike go on from here. */
export class SipState {
  /** v0 to v3, low words first. */
  private readonly v = new Int32Array(8);
  private readonly scratch = new Int32Array(8);
  private bytes = 0;

  /** @param key 16 bytes */
  constructor(key: Uint8Array) {
    const words = wordsOf(key);
    for (let i = 0; i < 8; i++) this.v[i] = START[i] ^ words[i % 4];
  }

  /** The state after `bytes` more, a multiple of 8. */
  after(bytes: Uint8Array): SipState {
    const next: SipState = Object.create(SipState.prototype);
    Object.assign(next, { v: this.v.slice(), scratch: new Int32Array(8), bytes: this.bytes + bytes.length });
    const words = wordsOf(bytes);
    for (let i = 0; i < words.length; i += 2) absorb(next.v, words[i], words[i + 1]);
    return next;
  }

  /** The value of the message that ends with the four bytes of `word`: its low 32 bits into `out[0]`, its high ones into `out[1]`. */
  finish(word: number, out: Uint32Array): void {
    this.end(word, (this.bytes + 4) << 24, out);
  }

  /** The value of the message that ends with `tail`, at most 7 bytes. */
  finishBytes(tail: Uint8Array, out: Uint32Array): void {
    const block = new Uint8Array(BLOCK_BYTES);
    block.set(tail);
    const [low, high] = wordsOf(block);
    this.end(low, high | ((this.bytes + tail.length) << 24), out);
  }

  private end(low: number, high: number, out: Uint32Array): void {
    const v = this.scratch;
    v.set(this.v);
    absorb(v, low, high);
    v[4] ^= 0xff;
    for (let i = 0; i < 4; i++) round(v);
    out[0] = v[0] ^ v[2] ^ v[4] ^ v[6];
    out[1] = v[1] ^ v[3] ^ v[5] ^ v[7];
  }
}

/** Little-endian words of bytes. */
function wordsOf(bytes: Uint8Array): Int32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Int32Array.from({ length: bytes.length >> 2 }, (_, i) => view.getInt32(4 * i, true));
}

function absorb(v: Int32Array, low: number, high: number): void {
  v[6] ^= low;
  v[7] ^= high;
  round(v);
  round(v);
  v[0] ^= low;
  v[1] ^= high;
}

function round(v: Int32Array): void {
  add(v, 0, 2);
  turnAndXor(v, 2, 13, 0);
  swap(v, 0);
  add(v, 4, 6);
  turnAndXor(v, 6, 16, 4);
  add(v, 0, 6);
  turnAndXor(v, 6, 21, 0);
  add(v, 4, 2);
  turnAndXor(v, 2, 17, 4);
  swap(v, 4);
}

/** v[a] += v[b], 64 bits. */
function add(v: Int32Array, a: number, b: number): void {
  const low = (v[a] >>> 0) + (v[b] >>> 0);
  v[a + 1] = v[a + 1] + v[b + 1] + (low > 0xffffffff ? 1 : 0);
  v[a] = low;
}

/** v[a] = (v[a] turned left by `bits` < 32) ^ v[b], 64 bits. */
function turnAndXor(v: Int32Array, a: number, bits: number, b: number): void {
  const low = v[a];
  const high = v[a + 1];
  v[a] = ((low << bits) | (high >>> (32 - bits))) ^ v[b];
  v[a + 1] = ((high << bits) | (low >>> (32 - bits))) ^ v[b + 1];
}

/** Turns v[a] by 32 bits. */
function swap(v: Int32Array, a: number): void {
  const low = v[a];
  v[a] = v[a + 1];
  v[a + 1] = low;
}
