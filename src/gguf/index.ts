// The subpath onebit/gguf: reading and writing GGUF containers.

export type { ModelFacts } from './facts.ts';
export type { Metadata, NumberRequirement } from './metadata.ts';
export { metadataBoolean, metadataNumber, metadataNumbers, metadataString, metadataStrings } from './metadata.ts';
export { type ReadOptions, readGguf } from './read.ts';
export type { I2sLayout } from './tensors.ts';
export type { Gguf, GgufArray, GgufValue, GgufValueType, TensorInfo } from './types.ts';
export type { NumberType } from './value-bytes.ts';
export type { TypedNumber } from './write.ts';
export {
  type ByteSink,
  type GgufParts,
  type WritableTensor,
  type WritableValue,
  writableMetadata,
  writeGguf,
} from './write.ts';
