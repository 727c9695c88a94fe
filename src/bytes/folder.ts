// Owns the one interface through which a folder of files is read.
import type { ByteSource } from './source.ts';

/** A flat folder of files, wherever it lies. */
export interface Folder {
  /** For messages. */
  readonly name: string;
  /** Names of its files. */
  readonly files: readonly string[];
  open(file: string): Promise<ByteSource>;
}
