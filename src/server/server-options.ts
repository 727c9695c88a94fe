// Owns what a server is told when it is made.
import type { JobStore } from '../bulk/job-store.ts';
import type { Abstain } from '../generate/abstain.ts';
import type { SupportModel } from '../tasks/support/support-model.ts';
import type { AuditOptions } from './audit.ts';
import type { LogEntry } from './exchange.ts';
import type { JobQueue, QueueWork } from './job-queue.ts';
import type { KeyConfig } from './keys.ts';
import type { ServerLimits } from './limits.ts';
import type { SiteFiles } from './page.ts';
import type { Policy } from './policy.ts';
import type { Quota } from './quota.ts';
import type { Responses } from './response-store.ts';
import type { AnswerSigner } from './signed-answers.ts';
import type { Telemetry } from './tracing.ts';
import type { WebhookOptions } from './webhooks.ts';

export interface ServerOptions {
  /** Who may ask. Default: everybody. */
  readonly keys?: readonly KeyConfig[];
  /** Answer /metrics without a key too. Default false. */
  readonly openMetrics?: boolean;
  /** Origins whose pages may ask; `*` for all. Default: none but the server's own. */
  readonly corsOrigins?: readonly string[];
  /** Names by which the server may be called, against pages that give their own name the server's address. Default: any. */
  readonly hosts?: readonly string[];
  readonly limits?: Partial<ServerLimits>;
  /** A secret key by which all answers are marked, except to keys that have one of their own. No request can turn it off. */
  readonly watermark?: string;
  /** When models do not answer, and what is said then (finish reason `abstain`). No request can turn it off. Default: every answer is given. */
  readonly abstain?: Abstain;
  /** Sees requests and answers before they pass. Default: all pass. */
  readonly policy?: Policy;
  /** Writes down who asked for what, as hashes. Where it cannot be written nothing is answered. Default: there is none. */
  readonly audit?: AuditOptions;
  /** Signs the answers of models. Default: they are not signed. */
  readonly signer?: AnswerSigner;
  /** Says what customers' queries are about: /v1/classify, /v1/route, and chats with the model of its name (or of any, where it is alone). */
  readonly support?: SupportModel;
  /** Where hand-overs of the support model are told. Default: nowhere. */
  readonly webhook?: WebhookOptions;
  /** Told of every request that has ended, and of what happens to the server. */
  readonly log?: (entry: LogEntry) => void;
  /** Put the texts of prompts and answers into the log. Default false. */
  readonly logTexts?: boolean;
  /** Of this software, for those who ask. */
  readonly version?: string;
  /** Opens the place where files and batches lie; called once, when it is needed first. Default: there are none. */
  readonly openJobs?: () => Promise<JobStore>;
  /** Makes what works batches off. Default: this server does. */
  readonly openQueue?: (work: QueueWork) => JobQueue;
  /** What replicas share. Default: each has its own, in memory. */
  readonly state?: SharedState;
  /** The page at `/`. Default: none. */
  readonly site?: SiteFiles;
  /** Told of what models answered, as spans of OpenTelemetry: the package `@opentelemetry/api`. Default: nobody. */
  readonly telemetry?: Telemetry;
  /** Bytes that the process holds, for the metrics. */
  readonly residentBytes?: () => number;
}

/** What replicas of a server share: answers that may be continued, and what each key has used. */
export interface SharedState {
  readonly responses: Responses;
  readonly quota: Quota;
}
