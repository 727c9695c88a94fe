// Owns the one error class of the package. Knows nothing else; everything may import it.

/** What kind of thing went wrong; stable, for programs. The message is for people. */
export type ErrorCode =
  /** The caller passed something that cannot work. */
  | 'bad-argument'
  /** A file or stream is not what it claims to be. */
  | 'bad-file'
  /** A well-formed file asks for something this engine does not do. */
  | 'unsupported'
  /** Reading or writing a file failed. */
  | 'io'
  /** An HTTP request failed. */
  | 'network'
  /** More memory is needed than the bound or the platform allows. */
  | 'out-of-memory'
  /** What was sent costs more steps, time or memory to prepare than one request may spend. */
  | 'over-budget'
  /** A text has more tokens than were allowed. */
  | 'too-long'
  /** Too many requests wait already. Try again later. */
  | 'busy'
  /** The object was disposed before the call. */
  | 'disposed'
  /** A worker thread or device died. */
  | 'device-lost';

/**
 * The error that every part of onebit throws. Messages read `operation: requirement, got value [in tensor/file]. What to do.`
 * Aborted operations are the exception: they throw the reason of their `AbortSignal`, as `fetch` does.
 */
export class OnebitError extends Error {
  readonly code: ErrorCode;
  /** All problems found, where one operation found several (a model file is checked whole before it is refused). */
  readonly problems: readonly string[];

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; problems?: readonly string[] } = {}) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'OnebitError';
    this.code = code;
    this.problems = options?.problems ?? [message];
  }
}
