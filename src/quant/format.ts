// Owns what a weight format is. One file a format holds its layout, decoder and encoder; formats.ts lists them, and a format that kernels do not read
// says which of theirs it becomes while it is loaded. Must not know files, tensors or backends. Facts and sources: docs/formats.md.

/** What weights a format is made for: any (`float`), many levels (`levels`), ±d (`binary`), or −d, 0, +d (`ternary`). */
export type FormatKind = 'float' | 'levels' | 'binary' | 'ternary';

/** Formats that kernels read. All others become one of them. `q2_0-128` is the older 128-wide layout behind the same ggml id as `q2_0`. */
export type KernelFormatName = 'f32' | 'f16' | 'bf16' | 'q8_0' | 'q1_0' | 'q2_0' | 'q2_0-128';

/** How rows become rows of a format that kernels read. */
export interface Recode {
  readonly as: KernelFormatName;
  /** Whether every weight stays what it is. */
  readonly lossless: boolean;
  /** Turns whole rows (without the tensor's tail) into whole rows. @throws OnebitError `bad-file` for codes that must not occur */
  rows(bytes: Uint8Array, out: Uint8Array): void;
  /** The factor on all weights that the tail of the tensor holds. */
  gain?(tail: Uint8Array): number;
}

/** A weight format: `blockSize` consecutive weights of a row are stored in `blockBytes` bytes. */
export interface FormatOf<Name extends string> {
  readonly name: Name;
  /** ggml's type id in GGUF files. */
  readonly ggmlType: number;
  /** ggml's name of it. */
  readonly ggmlName: string;
  readonly kind: FormatKind;
  /** Stock llama.cpp does not load it: it is a fork's, or has another meaning there. */
  readonly isFork?: true;
  readonly blockSize: number;
  readonly blockBytes: number;
  /** Bytes behind the last block of a tensor. Default 0. */
  readonly tailBytes?: number;
  /** Where in a block its 16-bit floats are. Default: one at its start; float formats have none. */
  readonly halvesAt?: readonly number[];
  /** How it becomes a format that kernels read; absent where they read it as it is. */
  readonly recode?: Recode;
  /** Decodes `out.length` weights (a multiple of `blockSize`) from `bytes`: blocks, the tensor's tail behind the last. */
  decode(bytes: Uint8Array, out: Float32Array): void;
  /** Encodes `values` (length a multiple of `blockSize`; with a tail, the whole tensor) into `out`, as ggml's reference quantiser does. */
  encode(values: Float32Array, out: Uint8Array): void;
  /** Other scales than the encoder's with which a block of `values` from `start` may come back exactly: for weights that were made in another format. */
  otherScales?(values: Float32Array, start: number): number[];
  /** Encodes one block with a scale of the caller's. */
  encodeBlock?(values: Float32Array, start: number, scale: number, out: Uint8Array, at: number): void;
}
