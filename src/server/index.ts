// Owns what `onebit/server` exports: the server over web-standard Request and Response, for any platform with `fetch` handlers.

export type {
  AnswerRules,
  BatchError,
  BatchRecord,
  BatchStatus,
  FileRecord,
  JobStore,
  LineResult,
  LineResults,
} from '../bulk/job-store.ts';
export type { Awaitable } from '../core/awaitable.ts';
export type { Abstain, Calibration, ConfidenceMeasure } from '../generate/abstain.ts';
export { OnebitServer, type ServerOptions, type SharedState } from './app.ts';
export { type AuditCheck, type AuditOptions, type AuditSink, checkAuditLog } from './audit.ts';
export type { LineAnswer } from './batch-run.ts';
export type { LogEntry } from './exchange.ts';
export type { JobFailure, JobQueue, JobStats, LeftReason, QueueWork, WorkerInfo } from './job-queue.ts';
export { hashKey, type KeyConfig } from './keys.ts';
export type { ServerLimits } from './limits.ts';
export type { Lease } from './model-shelf.ts';
export { ModelShelf, type ShelfEntry, type ShelfOptions } from './model-shelf.ts';
export { openApiDocument } from './openapi.ts';
export type { SiteFiles } from './page.ts';
export { type Policy, type PolicyAnswer, type PolicyRequest, policyEndpoint, type Verdict } from './policy.ts';
export type { Asked, Bucket, Lent, Quota } from './quota.ts';
export type { Responses, StoredResponse } from './response-store.ts';
export type { AnswerSigner } from './signed-answers.ts';
export type { Telemetry, TelemetrySpan } from './tracing.ts';
export type { WebhookOptions } from './webhooks.ts';
