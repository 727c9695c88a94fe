// Owns what a block format is, and the list of those the engine knows. One file a format holds its layout, decoder and encoder.
// Must not know files, tensors or backends. Facts and sources: docs/formats.md.

/** Names of the weight formats the engine runs, as kernels and benchmark rows spell them. `q2_0-128` is the older 128-wide layout behind the same ggml id as `q2_0`. */
export type FormatName = 'f32' | 'f16' | 'bf16' | 'q8_0' | 'q1_0' | 'q2_0' | 'q2_0-128';

/** A block format: `blockSize` consecutive weights of a row are stored in `blockBytes` bytes. */
export interface Format {
  readonly name: FormatName;
  /** ggml's type id in GGUF files. */
  readonly ggmlType: number;
  /** ggml's name of it. */
  readonly ggmlName: string;
  readonly blockSize: number;
  readonly blockBytes: number;
  /** Decodes `out.length` weights (a multiple of `blockSize`) from `bytes`. */
  decode(bytes: Uint8Array, out: Float32Array): void;
  /** Encodes `values` (length a multiple of `blockSize`) into `out`, as ggml's reference quantiser does. */
  encode(values: Float32Array, out: Uint8Array): void;
}
