// What other folders may use of whole messages.
export { type MessagePart, sentencesOf } from './sentences.ts';
export { type MessageRoute, routeMessage, type Wish } from './wishes.ts';
