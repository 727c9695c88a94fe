// What other folders may use of fields.
export type { Field } from './field-model.ts';
export { markedText } from './marks.ts';
export type { FieldEvaluation, FieldScore } from './measure.ts';
export {
  READY_FIELDS,
  type ReadyField,
  type ReadyFieldsOptions,
  type ReadyPieces,
  type ReadyReader,
  readyFields,
  readyPieces,
  withReadyFields,
} from './ready.ts';
export { redactFields } from './redact.ts';
export type { Span } from './tokens.ts';
