// Owns documents as token ids: where begin and end tokens stand, and which predictions count. Must not know batches or models.

import { CHATML } from '../chat/chatml.ts';
import type { ChatMessage } from '../chat/messages.ts';
import { ChatTemplate } from '../chat/template.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { DOCUMENT_START } from '../tokenizer/train-metadata.ts';
import { ChatTurns } from './chat-turns.ts';
import { parseDialogue } from './corpus-chat.ts';
import type { TrainingDocument } from './corpus-document.ts';

/** A document ready to train on. */
export interface EncodedDocument {
  readonly tokens: Int32Array;
  /** [tokens] how much predicting this token counts, from 0. Absent: all count 1. */
  readonly counted?: Float32Array;
}

/**
 * What the user's turns of a dialogue count. What users ask next cannot be foreseen, so at full weight it is most of the gradient, and noise: of 79
 * questions 65 and 79 were right (two seeds), with a fifth 79 and 79.
 */
const USER_WEIGHT = 0.2;

/** A document in each form in which it can be shown. */
export interface EncodedForms {
  readonly plain: EncodedDocument;
  /**
   * A dialogue written in the chat template; both speakers are to be learnt, what nobody can foresee of the user's turns less. Made when it is first asked for: templates take
   * half a millisecond each, and an epoch shows few dialogues so.
   */
  readonly chat?: () => EncodedDocument;
}

/** Encodes documents for a model's tokenizer and chat template. */
export class DocumentEncoder {
  readonly #tokenizer: Tokenizer;
  readonly #template: ChatTemplate;
  readonly #turns: ChatTurns;

  /** @param template Jinja; ChatML where undefined */
  constructor(tokenizer: Tokenizer, template: string = CHATML) {
    this.#tokenizer = tokenizer;
    const special: string[] = [];
    for (let token = 0; token < tokenizer.vocabularySize; token++) {
      if (tokenizer.isSpecial(token)) special.push(tokenizer.decode([token], { special: true }));
    }
    const textOf = (token?: number) => (token === undefined ? undefined : tokenizer.decode([token], { special: true }));
    this.#template = new ChatTemplate(template, special, { bos: textOf(tokenizer.bos), eos: textOf(tokenizer.eos) });
    this.#turns = new ChatTurns(this.#template);
  }

  /** The document as training shows it: begin token where the model wants one, text, end of text. */
  forms(document: TrainingDocument, withChat: boolean): EncodedForms {
    if ('messages' in document) return { plain: this.#conversation(document.messages) };
    const plain = { tokens: Int32Array.from([...this.#start(), ...this.#text(document.text), ...this.#end()]) };
    const turns = withChat ? parseDialogue(document.text) : undefined;
    if (!turns) return { plain };
    let chat: EncodedDocument | undefined;
    return {
      plain,
      chat: () => {
        chat ??= this.#conversation(turns, USER_WEIGHT);
        return chat;
      },
    };
  }

  /** A conversation up to where the assistant answers. */
  prompt(messages: readonly ChatMessage[]): Int32Array {
    return Int32Array.from([...this.#start(), ...this.#pieces(this.#template.render(messages))]);
  }

  /** A text up to where the model goes on. */
  beginning(text: string): Int32Array {
    return Int32Array.from([...this.#start(), ...this.#text(text)]);
  }

  /**
   * The document as it is measured: like `LanguageModel.score`, without an end token.
   * @param asChat measure dialogues in the chat template, their bytes those of the plain text
   */
  measured(document: TrainingDocument, asChat = false): EncodedDocument & { readonly bytes: number } {
    if ('messages' in document) {
      const encoded = this.#conversation(document.messages);
      let bytes = 0;
      for (const [at, counts] of encoded.counted.entries()) if (counts) bytes += this.#bytesOf(encoded.tokens[at]);
      return { ...encoded, bytes };
    }
    const turns = asChat ? parseDialogue(document.text) : undefined;
    const tokens = turns ? this.#conversation(turns, 1).tokens : this.beginning(document.text);
    const unscored = tokens.length > 0 ? this.#bytesOf(tokens[0]) : 0;
    return { tokens, bytes: new TextEncoder().encode(document.text).length - unscored };
  }

  #bytesOf(token: number): number {
    return this.#tokenizer.isSpecial(token) ? 0 : this.#tokenizer.bytesOf(token).length;
  }

  #text(text: string): Int32Array {
    return this.#tokenizer.encode(text);
  }

  #start(): number[] {
    const { addBos, bos } = this.#tokenizer;
    return addBos && bos !== undefined ? [bos] : [];
  }

  #end(): number[] {
    const end = this.#tokenizer.tokenId(DOCUMENT_START) ?? this.#tokenizer.eos;
    return end === undefined ? [] : [end];
  }

  /** The assistant's turns count; `others` is what the rest counts. */
  #conversation(messages: readonly ChatMessage[], others = 0): EncodedDocument & { readonly counted: Float32Array } {
    const tokens = this.#start();
    const counted: number[] = tokens.map(() => others);
    for (const { pieces, learn } of this.#turns.stretches(messages)) {
      for (const token of this.#pieces(pieces)) {
        tokens.push(token);
        counted.push(learn ? 1 : others);
      }
    }
    return { tokens: Int32Array.from(tokens), counted: Float32Array.from(counted) };
  }

  #pieces(pieces: readonly string[]): number[] {
    return pieces.flatMap((piece) => [...this.#tokenizer.encode(piece, { special: true })]);
  }
}
