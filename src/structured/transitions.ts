// Owns where bytes lead from one place of a text, small where few bytes lead on: thousands of them are kept, and the collector copies what is large.

/** More bytes than these that lead on are kept by number. */
const FEW = 12;

/** By byte: where it leads, null where it cannot come. */
export class Transitions<T> {
  /** Bits of the bytes that cannot come. */
  private readonly dead = [0, 0, 0, 0, 0, 0, 0, 0];
  private readonly bytes: number[] = [];
  private targets: T[] = [];
  private isFull = false;

  /** Undefined where that is not known. */
  get(byte: number): T | null | undefined {
    if ((this.dead[byte >> 5] >> (byte & 31)) & 1) return null;
    if (this.isFull) return this.targets[byte];
    const at = this.bytes.indexOf(byte);
    return at < 0 ? undefined : this.targets[at];
  }

  /** Once a byte. */
  set(byte: number, to: T | null): void {
    if (to === null) {
      this.dead[byte >> 5] |= 1 << (byte & 31);
      return;
    }
    if (!this.isFull && this.bytes.length === FEW) {
      const targets: T[] = new Array(256);
      for (const [i, value] of this.bytes.entries()) targets[value] = this.targets[i];
      this.targets = targets;
      this.isFull = true;
    }
    if (this.isFull) {
      this.targets[byte] = to;
      return;
    }
    this.bytes.push(byte);
    this.targets.push(to);
  }
}
