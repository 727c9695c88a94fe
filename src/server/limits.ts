// Owns the bounds of one server, and their defaults.

export interface ServerLimits {
  /** Largest body of a request. */
  readonly bodyBytes: number;
  /** Longest time for one answer. */
  readonly requestMs: number;
  /** Silence on an event stream after which a comment is sent. */
  readonly pingMs: number;
  /** How long a client may leave what was sent to it unread. */
  readonly stallMs: number;
  /** Characters of answers of /v1/responses and their conversations that are kept for `previous_response_id`. */
  readonly storedCharacters: number;
}

export const DEFAULT_LIMITS: ServerLimits = {
  bodyBytes: 8 << 20,
  requestMs: 600_000,
  pingMs: 10_000,
  stallMs: 60_000,
  storedCharacters: 64 << 20,
};
