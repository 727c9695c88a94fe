// Owns the type of what may be there at once, or only later.

/** A value, or a promise of it: for interfaces whose simple forms need not wait. */
export type Awaitable<Value> = Value | Promise<Value>;
