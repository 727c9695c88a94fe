// Owns what comes in over standard input of `onebit mcp`: lines of bounded length, each a message. Must not know what messages say, but for the id of one that is too long.
import { Transform, type TransformCallback } from 'node:stream';

/** A message may have as many bytes as a body over HTTP. */
export const MOST_LINE_BYTES = 8 << 20;
/** At the end of a message most programs put its id. */
const TAIL_BYTES = 200;
const ID_AT_END = /[,{]\s*"id"\s*:\s*(-?\d{1,15}|"[^"\\]{0,100}")\s*\}\s*$/;
const LINE_END = 10;

/** Passes whole lines on. One that is longer than `most` is left out as it comes, and `refuse` gets the JSON of its id, `null` where it cannot be seen. */
export class BoundedLines extends Transform {
  private readonly most: number;
  private readonly refuse: (id: string) => void;
  private pieces: Buffer[] = [];
  private bytes = 0;

  constructor(refuse: (id: string) => void, most = MOST_LINE_BYTES) {
    super();
    this.refuse = refuse;
    this.most = most;
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    let from = 0;
    for (let end = chunk.indexOf(LINE_END); end >= 0; end = chunk.indexOf(LINE_END, from)) {
      this.add(chunk.subarray(from, end + 1));
      from = end + 1;
      this.endLine();
    }
    this.add(chunk.subarray(from));
    done();
  }

  private add(piece: Buffer): void {
    this.bytes += piece.length;
    this.pieces.push(piece);
    if (this.bytes > this.most) this.pieces = [Buffer.concat(this.pieces.slice(-2)).subarray(-TAIL_BYTES)];
  }

  private endLine(): void {
    const line = Buffer.concat(this.pieces);
    if (this.bytes <= this.most) this.push(line);
    else this.refuse(ID_AT_END.exec(line.toString())?.[1] ?? 'null');
    this.pieces = [];
    this.bytes = 0;
  }
}
