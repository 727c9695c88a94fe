// Owns the model's file as this part reads it: its header, and pieces of its matrices, wherever the file lies. Nothing is loaded whole.
import { EMBEDDED_MODEL } from 'onebit/browser';
import { type ByteSource, blobSource, memorySource, openModelBytes } from 'onebit/bytes';
import { type Gguf, readGguf, type TensorInfo } from 'onebit/gguf';
import { formatByName } from 'onebit/quant';
import type { ModelChoice } from '../model-slot.ts';

/** A part of a matrix, decoded. */
export interface Patch {
  readonly rows: number;
  readonly cols: number;
  /** [rows, cols]. */
  readonly values: Float32Array;
}

/** An open model file. */
export class ModelFile {
  readonly source: ByteSource;
  readonly gguf: Gguf;

  private constructor(source: ByteSource, gguf: Gguf) {
    this.source = source;
    this.gguf = gguf;
  }

  static async open({ input = EMBEDDED_MODEL.href, token }: ModelChoice): Promise<ModelFile> {
    const source =
      input instanceof Uint8Array
        ? memorySource(input)
        : input instanceof Blob
          ? blobSource(input)
          : await openModelBytes(input, { token });
    return new ModelFile(source, await readGguf(source));
  }

  /** Matrices in the order of the file. */
  get matrices(): TensorInfo[] {
    return [...this.gguf.tensors.values()].filter(({ shape }) => shape.length === 2);
  }

  /** Decodes `rows` rows from `row` on, whole ones. */
  async rows({ name, shape, format: formatName, offsetBytes }: TensorInfo, row: number, rows: number): Promise<Patch> {
    const format = formatByName(formatName);
    const [cols, all] = shape;
    const count = Math.max(0, Math.min(rows, all - row));
    const rowBytes = (cols / format.blockSize) * format.blockBytes;
    const encoded = new Uint8Array(count * rowBytes);
    await this.source.readInto(encoded, offsetBytes + row * rowBytes);
    const values = new Float32Array(count * cols);
    format.decode(encoded, values);
    if (values.length === 0) throw new Error(`look: ${name} has no row ${row}.`);
    return { rows: count, cols, values };
  }

  close(): Promise<void> {
    return this.source.close();
  }
}
