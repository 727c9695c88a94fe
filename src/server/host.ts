// Owns what operations may ask of the server that answers them. Must not know operations.
import type { SupportModel } from '../tasks/support/support-model.ts';
import type { BackgroundResponses } from './background.ts';
import type { Exchange } from './exchange.ts';
import type { Jobs } from './jobs.ts';
import type { ModelShelf } from './model-shelf.ts';
import type { Responses } from './response-store.ts';
import type { Webhooks } from './webhooks.ts';

/** The server, as operations see it. */
export interface Host {
  readonly shelf: ModelShelf;
  readonly responses: Responses;
  /** Answers that are kept, or made in the background. */
  readonly background: BackgroundResponses;
  readonly version: string;
  /** Names of all models, the default one first. */
  readonly modelIds: readonly string[];
  /** Says what customers' queries are about, where there is one. */
  readonly support: SupportModel | undefined;
  /** Told of queries that are handed over. */
  readonly webhooks: Webhooks | undefined;
  /** Largest file that is taken. */
  readonly fileBytes: number;
  /** Files and batches. @throws ApiError 404 where they are off */
  jobs(): Promise<Jobs>;
  /** The OpenAPI document. */
  openApi(): object;
  /** Whether requests are taken. */
  ready(): Response;
  /** Metrics for whoever asks. */
  metrics(job: Exchange): Promise<Response>;
  /** A file of the page. @throws ApiError 404 */
  page(request: Request, path: string): Promise<Response>;
}
