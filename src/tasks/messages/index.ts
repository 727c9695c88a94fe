// What other folders may use of whole messages.
export { type FieldReaderOptions, fieldReader } from './field-reader.ts';
export { MessageRouter } from './message-router.ts';
export { type MessagePart, sentencesOf } from './sentences.ts';
export { type MessageRoute, routeMessage, type Wish } from './wishes.ts';
