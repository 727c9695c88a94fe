// Owns what a training document is and what tells it from others. Must not know files, tokens or models.

import type { ChatMessage } from '../chat/messages.ts';
import { hexOf, sha256 } from '../core/digest.ts';

/** One text, or one conversation. */
export type TrainingDocument = { readonly text: string } | { readonly messages: readonly ChatMessage[] };

/** What makes a document the same as another. */
export function documentKey(document: TrainingDocument): string {
  return 'text' in document ? document.text : JSON.stringify(document.messages);
}

/** What people wrote of a document: its text, or what is said in its turns, without the names of roles and other marks. */
export function documentText(document: TrainingDocument): string {
  return 'text' in document ? document.text : document.messages.map(({ content }) => content).join('\n');
}

/** Characters of a document that are learnt: its text, or the assistant's turns. */
export function learntCharacters(document: TrainingDocument): number {
  if ('text' in document) return document.text.length;
  return document.messages.reduce((sum, { role, content }) => sum + (role === 'assistant' ? content.length : 0), 0);
}

/** A 32-bit hash of a text, another for each seed. FNV-1a over UTF-16 units with a final mix. */
export function hashText(text: string, seed: number): number {
  let hash = Math.imul((seed ^ 0x811c9dc5) >>> 0, 0x9e3779b1);
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** SHA-256 of documents in their order, as hexadecimal. */
export async function hashDocuments(documents: readonly TrainingDocument[]): Promise<string> {
  return hexOf(await sha256(JSON.stringify(documents.map(documentKey))));
}
