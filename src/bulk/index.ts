// The subpath onebit/batch: the same work on every row of a file, several at once, without doing a row twice after whatever ended it. Node only.

export type { Awaitable } from '../core/awaitable.ts';
export { type BatchOptions, type BatchSummary, journalPath, runBatch } from './batch.ts';
export { type DecisionWorkOptions, decisionWork } from './decision-work.ts';
export { DiskStore } from './disk-store.ts';
export type * from './job-store.ts';
export { embeddingWork, type SupportWorkOptions, supportWork } from './other-work.ts';
export { type PromptOptions, promptWork } from './prompt-work.ts';
export { type BulkRow, openRows, type RowFile } from './row-file.ts';
export type { RowTextOptions } from './row-text.ts';
export type { Json, RowAnswer, RowTexts, RowTokens, RowWork } from './row-work.ts';
