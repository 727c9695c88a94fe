// Owns what an object of a JSON file is before anything in it is known.
export type Json = Readonly<Record<string, unknown>>;

/** The object under a key; `{}` where there is none. What is no object is put to `problems`. */
export function jsonObject(parent: Json, key: string, problems: string[]): Json {
  const value = parent[key] ?? {};
  if (typeof value === 'object' && !Array.isArray(value)) return value as Json;
  problems.push(`${key} = ${JSON.stringify(value)?.slice(0, 60)}`);
  return {};
}
