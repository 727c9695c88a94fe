// Owns what a tensor of a GGUF is whose bytes are made as they are read.
import type { FormatName } from '../quant/formats.ts';

/** A tensor of the GGUF that a folder stands for. */
export interface VirtualTensor {
  readonly name: string;
  /** In GGUF's order: [columns, rows], or [length]. */
  readonly shape: readonly number[];
  readonly format: FormatName;
  /** The bytes of rows [from, to), as the format has them. */
  rows(from: number, to: number, signal?: AbortSignal): Promise<Uint8Array>;
}
