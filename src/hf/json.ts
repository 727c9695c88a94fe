// Owns what an object of a JSON file is before anything in it is known.
export type Json = Readonly<Record<string, unknown>>;
