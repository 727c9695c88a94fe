// Owns all that routing a customer's message takes besides the model: its language, and the fields that need no examples. Must not know who asks.
import { atOnce, type InPieces } from '../../core/budget.ts';
import { type Field, type ReadyPieces, readyPieces, withReadyFields } from '../fields/index.ts';
import type { RouteOptions } from '../support/route.ts';
import { checkSupportModel, type SupportModel } from '../support/support-model.ts';
import { type LanguageReader, languageReader, languagesOf } from '../texts/index.ts';
import { type MessageRoute, routeInPieces } from './wishes.ts';

/** Routes messages with the ready fields of each, which answers may hold, in the customer's language. */
export class MessageRouter {
  private readonly model: SupportModel;
  private readonly ready: ReadyPieces;
  private readonly tell: LanguageReader;

  private constructor(model: SupportModel, ready: ReadyPieces, tell: LanguageReader) {
    checkSupportModel('MessageRouter', model);
    this.model = model;
    this.ready = ready;
    this.tell = tell;
  }

  /** Loads the libraries. @param country of phone numbers without a country code; default that of the business */
  static async of(model: SupportModel, country?: string): Promise<MessageRouter> {
    checkSupportModel('MessageRouter.of', model);
    const ready = await readyPieces({ country: country ?? model.texts?.country });
    return new MessageRouter(model, ready, await languageReader());
  }

  /** The language of a text, of those that there are texts for; that of the business where it is not clear. */
  languageOf(text: string): string | undefined {
    const { texts } = this.model;
    return this.tell(text, languagesOf(texts), texts.language ?? 'en') ?? texts.language;
  }

  /** What the model has learnt to read and what needs no examples. */
  fieldsOf(text: string, language = this.languageOf(text)): Field[] {
    return atOnce(this.fieldsInPieces(text, language));
  }

  /** @internal The same for who has others to serve; `learnt`: what the model has read already. */
  *fieldsInPieces(text: string, language = this.languageOf(text), learnt?: readonly Field[]): InPieces<Field[]> {
    const ready = yield* this.ready(text, language);
    return withReadyFields(learnt ?? this.model.readFields(text), ready);
  }

  /** What to do with a message, as `routeMessage` says; its fields are the ready ones too. */
  route(text: string, options: Omit<RouteOptions, 'fields'> = {}): MessageRoute {
    return atOnce(this.routeInPieces(text, options));
  }

  /** @internal The same for who has others to serve: a long message takes half a second. */
  *routeInPieces(text: string, options: Omit<RouteOptions, 'fields'> = {}): InPieces<MessageRoute> {
    const language = options.language ?? this.languageOf(text);
    const fields = yield* this.fieldsInPieces(text, language);
    const route = yield* routeInPieces(this.model, text, { ...options, language, fields });
    return { ...route, prediction: { ...route.prediction, fields } };
  }
}
