// Owns answers of /v1/responses that later requests may continue: in memory, the oldest forgotten, nobody sees another key's.
import type { InputItem } from './schemas/responses.ts';

/** An answer that is kept. */
export interface StoredResponse {
  readonly owner: string | undefined;
  /** The answer as it was given. */
  readonly response: object;
  /** The conversation before it, and up to and with it. */
  readonly input: readonly InputItem[];
  readonly items: readonly InputItem[];
}

/** Answers by their id. */
export class ResponseStore {
  /** In which answer an item is found. */
  private readonly places = new Map<string, string>();
  private readonly stored = new Map<string, StoredResponse & { readonly characters: number }>();
  private readonly mostCharacters: number;
  private characters = 0;

  /** @param mostCharacters of all answers together with their conversations, as JSON */
  constructor(mostCharacters: number) {
    this.mostCharacters = mostCharacters;
  }

  put(id: string, stored: StoredResponse): void {
    const characters = JSON.stringify([stored.response, stored.items]).length;
    this.stored.set(id, { ...stored, characters });
    this.characters += characters;
    for (const item of stored.items) if ('id' in item) this.places.set(item.id, id);
    for (const oldest of this.stored.keys()) {
      if (this.characters <= this.mostCharacters) break;
      this.delete(oldest);
    }
  }

  /** The answer `id` of `owner`; undefined when it was never given, forgotten, or somebody else's. */
  get(id: string, owner: string | undefined): StoredResponse | undefined {
    const found = this.stored.get(id);
    return found?.owner === owner ? found : undefined;
  }

  /** The item `id` of a kept conversation of `owner`. */
  item(id: string, owner: string | undefined): InputItem | undefined {
    const found = this.get(this.places.get(id) ?? '', owner);
    return found?.items.find((item) => 'id' in item && item.id === id);
  }

  delete(id: string): void {
    const { characters = 0, items = [] } = this.stored.get(id) ?? {};
    this.characters -= characters;
    this.stored.delete(id);
    for (const item of items) if ('id' in item && this.places.get(item.id) === id) this.places.delete(item.id);
  }
}
