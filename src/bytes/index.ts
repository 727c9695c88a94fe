// The subpath onebit/bytes: where model bytes come from.
export { httpSource } from './http-source.ts';
export { memorySource } from './memory-source.ts';
export { openModelBytes } from './open.ts';
export type { ByteSource } from './source.ts';
