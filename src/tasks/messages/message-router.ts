// Owns all that routing a customer's message takes besides the model: its language, and the fields that need no examples. Must not know who asks.
import { type Field, type ReadyReader, readyFields, withReadyFields } from '../fields/index.ts';
import type { RouteOptions } from '../support/route.ts';
import { checkSupportModel, type SupportModel } from '../support/support-model.ts';
import { type LanguageReader, languageReader, languagesOf } from '../texts/index.ts';
import { type MessageRoute, routeMessage } from './wishes.ts';

/** Routes messages with the ready fields of each, which answers may hold, in the customer's language. */
export class MessageRouter {
  private readonly model: SupportModel;
  private readonly ready: ReadyReader;
  private readonly tell: LanguageReader;

  private constructor(model: SupportModel, ready: ReadyReader, tell: LanguageReader) {
    checkSupportModel('MessageRouter', model);
    this.model = model;
    this.ready = ready;
    this.tell = tell;
  }

  /** Loads the libraries. @param country of phone numbers without a country code; default that of the business */
  static async of(model: SupportModel, country?: string): Promise<MessageRouter> {
    checkSupportModel('MessageRouter.of', model);
    const ready = await readyFields({ country: country ?? model.texts?.country });
    return new MessageRouter(model, ready, await languageReader());
  }

  /** The language of a text, of those that there are texts for; that of the business where it is not clear. */
  languageOf(text: string): string | undefined {
    return this.tell(text, languagesOf(this.model.texts)) ?? this.model.texts.language;
  }

  /** What the model has learnt to read and what needs no examples. */
  fieldsOf(text: string, language = this.languageOf(text)): Field[] {
    return withReadyFields(this.model.readFields(text), this.ready(text, language));
  }

  /** What to do with a message, as `routeMessage` says; its fields are the ready ones too. */
  route(text: string, options: Omit<RouteOptions, 'fields'> = {}): MessageRoute {
    const language = options.language ?? this.languageOf(text);
    const fields = this.fieldsOf(text, language);
    const route = routeMessage(this.model, text, { ...options, language, fields });
    return { ...route, prediction: { ...route.prediction, fields } };
  }
}
