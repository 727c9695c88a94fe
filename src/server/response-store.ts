// Owns answers of /v1/responses that later requests may continue: in memory, the oldest forgotten, nobody sees another key's.
import type { InputItem } from './schemas/responses.ts';

interface Stored {
  readonly owner: string | undefined;
  /** The answer as it was given. */
  readonly response: object;
  /** The conversation up to and with it. */
  readonly items: readonly InputItem[];
}

/** Answers by their id. */
export class ResponseStore {
  private readonly stored = new Map<string, Stored & { readonly characters: number }>();
  private readonly mostCharacters: number;
  private characters = 0;

  /** @param mostCharacters of all answers together with their conversations, as JSON */
  constructor(mostCharacters: number) {
    this.mostCharacters = mostCharacters;
  }

  put(id: string, stored: Stored): void {
    const characters = JSON.stringify([stored.response, stored.items]).length;
    this.stored.set(id, { ...stored, characters });
    this.characters += characters;
    for (const oldest of this.stored.keys()) {
      if (this.characters <= this.mostCharacters) break;
      this.delete(oldest);
    }
  }

  /** The answer `id` of `owner`; undefined when it was never given, forgotten, or somebody else's. */
  get(id: string, owner: string | undefined): Stored | undefined {
    const found = this.stored.get(id);
    return found?.owner === owner ? found : undefined;
  }

  delete(id: string): void {
    this.characters -= this.stored.get(id)?.characters ?? 0;
    this.stored.delete(id);
  }
}
