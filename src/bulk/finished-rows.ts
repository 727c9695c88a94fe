// Owns where a journal has the record of each of many rows. Must not know what records mean.
import type { Place } from './journal.ts';

/** Where the journal has each row: 12 bytes a row. */
export class FinishedRows {
  private readonly offsets: Float64Array;
  private readonly lengths: Uint32Array;

  constructor(rows: number) {
    this.offsets = new Float64Array(rows);
    this.lengths = new Uint32Array(rows);
  }

  /** Whether it is the first time. */
  add(index: number, { offsetBytes, lengthBytes }: Place): boolean {
    if (!(index < this.lengths.length) || this.lengths[index] > 0) return false;
    this.offsets[index] = offsetBytes;
    this.lengths[index] = lengthBytes;
    return true;
  }

  has(index: number): boolean {
    return this.lengths[index] > 0;
  }

  place(index: number): Place {
    return { offsetBytes: this.offsets[index], lengthBytes: this.lengths[index] };
  }
}
