// Owns what `onebit/server` exports: the server over web-standard Request and Response, for any platform with `fetch` handlers.

export type {
  BatchError,
  BatchRecord,
  BatchStatus,
  FileRecord,
  JobStore,
  LineResult,
  LineResults,
} from '../bulk/job-store.ts';
export { OnebitServer, type ServerOptions } from './app.ts';
export type { LogEntry } from './exchange.ts';
export { hashKey, type KeyConfig } from './keys.ts';
export type { ServerLimits } from './limits.ts';
export type { Lease } from './model-shelf.ts';
export { ModelShelf, type ShelfEntry, type ShelfOptions } from './model-shelf.ts';
export { openApiDocument } from './openapi.ts';
export type { SiteFiles } from './page.ts';
export type { AnswerSigner } from './signed-answers.ts';
export type { WebhookOptions } from './webhooks.ts';
