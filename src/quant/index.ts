// The subpath onebit/quant: the weight formats, to decode and encode.
export type { Format, FormatName } from './format.ts';
export { formatByName, formats, formatsOfGgmlType } from './formats.ts';
