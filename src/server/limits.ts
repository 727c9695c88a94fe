// Owns the bounds of one server, and their defaults.

export interface ServerLimits {
  /** Largest body of a request. */
  readonly bodyBytes: number;
  /** Largest file of /v1/files. */
  readonly fileBytes: number;
  /** All files of one owner together; whoever has as many removes some before the next upload. */
  readonly filesBytes: number;
  /** Longest time for one answer. */
  readonly requestMs: number;
  /** Silence on an event stream after which a comment is sent. */
  readonly pingMs: number;
  /** How long a client may leave what was sent to it unread. */
  readonly stallMs: number;
  /** Bytes of memory in which answers of /v1/responses and their conversations are kept for `previous_response_id`. */
  readonly storedBytes: number;
  /** The former name of `storedBytes`, which counts where it is given. */
  readonly storedCharacters?: number;
  /** Milliseconds that may be computed for one request before the model runs: reading the body, schemas, templates, tokens. */
  readonly prepareMs: number;
  /** Bytes of large bodies that are in memory at once, over all requests. */
  readonly bodiesBytes: number;
}

export const DEFAULT_LIMITS: ServerLimits = {
  bodyBytes: 8 << 20,
  fileBytes: 64 << 20,
  filesBytes: 4e9,
  requestMs: 600_000,
  pingMs: 10_000,
  stallMs: 60_000,
  storedBytes: 64 << 20,
  prepareMs: 20_000,
  bodiesBytes: 32 << 20,
};
