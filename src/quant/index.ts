// The subpath onebit/quant: the weight formats, to decode and encode.
export type { FormatKind, FormatOf, KernelFormatName, Recode } from './format.ts';
export { type Format, type FormatName, formatByName, formats, formatsOfGgmlType, kernelFormatOf } from './formats.ts';
