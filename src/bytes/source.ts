// Owns the one interface through which model bytes are read. Where they come from is the business of the other files of this folder.

/** Random access to a fixed number of bytes: a file, memory, an HTTP resource. */
export interface ByteSource {
  /** A path, URL or label, for error messages. */
  readonly name: string;
  /** Total size in bytes. */
  readonly size: number;
  /**
   * Fills `target` with the bytes at `offsetBytes`. Every byte is delivered, or it throws (`bad-file` when the range passes the end, `io` or
   * `network` when reading fails, the signal's reason when aborted). `target` may be a view of shared memory.
   */
  readInto(target: Uint8Array, offsetBytes: number, signal?: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
