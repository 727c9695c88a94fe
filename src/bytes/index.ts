// The subpath onebit/bytes: where model bytes come from.
export { blobSource } from './blob-source.ts';
export type { HttpSourceOptions } from './http-source.ts';
export { httpSource } from './http-source.ts';
export { memorySource } from './memory-source.ts';
export type { OpenOptions } from './open.ts';
export { openModelBytes } from './open.ts';
export type { ByteSource } from './source.ts';
