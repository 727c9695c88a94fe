// Owns finding stop strings in text that arrives in pieces, and holding back what might become one.

/** Passes text on as soon as it cannot be the start of a stop string any more. */
export class StopScanner {
  private readonly stops: readonly string[];
  private pending = '';
  /** The stop string that was met; nothing passes after it. */
  matched: string | undefined;

  constructor(stops: readonly string[]) {
    this.stops = stops;
  }

  /** Adds `text`; returns what may be shown now. */
  push(text: string): string {
    if (this.matched !== undefined) return '';
    this.pending += text;
    let end = -1;
    for (const stop of this.stops) {
      const at = this.pending.indexOf(stop);
      if (at >= 0 && (end < 0 || at < end)) {
        end = at;
        this.matched = stop;
      }
    }
    if (end >= 0) return this.release(end);
    return this.release(this.pending.length - this.heldBack());
  }

  /** Gives what was held back, at the end of the text. */
  flush(): string {
    return this.matched === undefined ? this.release(this.pending.length) : '';
  }

  private release(length: number): string {
    const shown = this.pending.slice(0, length);
    this.pending = this.pending.slice(length);
    return shown;
  }

  /** Length of the longest end of the pending text with which a stop string begins. */
  private heldBack(): number {
    let longest = 0;
    for (const stop of this.stops) {
      for (let length = Math.min(stop.length - 1, this.pending.length); length > longest; length--) {
        if (this.pending.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
