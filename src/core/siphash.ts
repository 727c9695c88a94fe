// Owns SipHash-2-4, a keyed pseudorandom function of short messages: without the key its values look like fair dice. Must not know what is hashed.
// Source: Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012). 64-bit words are pairs of 32-bit ones, low word first.

const START = [0x70736575, 0x736f6d65, 0x6e646f6d, 0x646f7261, 0x6e657261, 0x6c796765, 0x79746573, 0x74656462] as const;

/** The state of a message that has been taken in up to a whole number of blocks: messages that begin alike go on from there. */
export class SipState {
  /** v0 to v3, low words first: as the key leaves them, after the message so far, at its end. */
  private readonly keyed = new Int32Array(8);
  private readonly v = new Int32Array(8);
  private readonly last = new Int32Array(8);
  private bytes = 0;

  /** @param key 16 bytes */
  constructor(key: Uint8Array) {
    for (let i = 0; i < 8; i++) this.keyed[i] = START[i] ^ wordAt(key, 4 * (i % 4));
    this.begin(new Uint8Array(0));
  }

  /** Begins a message anew: with `bytes`, a multiple of 8. */
  begin(bytes: Uint8Array): void {
    this.v.set(this.keyed);
    this.bytes = bytes.length;
    for (let at = 0; at < bytes.length; at += 8) absorb(this.v, wordAt(bytes, at), wordAt(bytes, at + 4));
  }

  /** The value of the message that ends with the four bytes of `word`: its low 32 bits into `out[0]`, its high ones into `out[1]`. */
  finish(word: number, out: Uint32Array): void {
    this.end(word, (this.bytes + 4) << 24, out);
  }

  /** The value of the message that ends with `tail`, at most 7 bytes. */
  finishBytes(tail: Uint8Array, out: Uint32Array): void {
    const block = new Uint8Array(8);
    block.set(tail);
    this.end(wordAt(block, 0), wordAt(block, 4) | ((this.bytes + tail.length) << 24), out);
  }

  private end(low: number, high: number, out: Uint32Array): void {
    const v = this.last;
    v.set(this.v);
    absorb(v, low, high);
    v[4] ^= 0xff;
    for (let i = 0; i < 4; i++) round(v);
    out[0] = v[0] ^ v[2] ^ v[4] ^ v[6];
    out[1] = v[1] ^ v[3] ^ v[5] ^ v[7];
  }
}

/** The little-endian word at `at`. */
function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24);
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
