// Owns answers of /v1/responses that later requests may continue: in memory, as bytes, the oldest forgotten. Every owner has a store of its own: nobody
// sees another's answers, nor loses an answer by what others store, as long as he keeps to an equal share of the memory.
import type { Awaitable } from '../core/awaitable.ts';
import type { Budget } from '../core/budget.ts';
import type { InputItem } from './schemas/responses.ts';

/** An answer that is kept. */
export interface StoredResponse {
  /** The answer as it was given. */
  readonly response: object;
  /** The conversation before it, and up to and with it. */
  readonly input: readonly InputItem[];
  readonly items: readonly InputItem[];
}

/** Where answers are kept, by their owner and id: nobody finds another's. */
export interface Responses {
  /** Keeps an answer. */
  put(id: string, owner: string, stored: StoredResponse): Awaitable<void>;
  /** The answer `id` of `owner`; undefined when it was never given, forgotten, or somebody else's. */
  get(id: string, owner: string, budget: Budget): Awaitable<StoredResponse | undefined>;
  /** The item `id` of a kept conversation of `owner`. */
  item(id: string, owner: string, budget: Budget): Awaitable<InputItem | undefined>;
  /** Forgets an answer; false when there was none. */
  delete(id: string, owner: string): Awaitable<boolean>;
}

/** Parts of a kept answer, as UTF-8 of their JSON: objects take up to fifty times as much memory. */
interface Entry {
  readonly response: Uint8Array;
  readonly items: Uint8Array;
  /** How many of the items came before the answer. */
  readonly inputLength: number;
  readonly itemIds: readonly string[];
  readonly bytes: number;
}

interface Owned {
  /** By their ids, the oldest first. */
  readonly entries: Map<string, Entry>;
  /** In which answer an item is found. */
  readonly places: Map<string, string>;
  bytes: number;
}

/** What an entry takes beside its texts, and what each id in it takes. */
const ENTRY_BYTES = 900;
const ID_BYTES = 200;

/** Answers in the memory of one process. */
export class ResponseStore implements Responses {
  private readonly owners = new Map<string, Owned>();
  private readonly mostBytes: number;
  private bytes = 0;

  /** @param mostBytes memory that all answers together with their conversations may take */
  constructor(mostBytes: number) {
    this.mostBytes = mostBytes;
  }

  /** Keeps an answer; not one that is larger than half of the memory. */
  put(id: string, owner: string, { response, input, items }: StoredResponse): void {
    const itemIds = items.flatMap((item) => ('id' in item && typeof item.id === 'string' ? [item.id] : []));
    const texts = { response: bytesOf(response), items: bytesOf(items) };
    const idBytes = itemIds.reduce((sum, itemId) => sum + ID_BYTES + 2 * itemId.length, 0);
    const bytes = ENTRY_BYTES + texts.response.length + texts.items.length + idBytes;
    if (bytes > this.mostBytes / 2) return;
    this.delete(id, owner); // what was kept of it before it was whole
    const owned = this.owners.get(owner) ?? { entries: new Map(), places: new Map(), bytes: 0 };
    this.owners.set(owner, owned);
    owned.entries.set(id, { ...texts, inputLength: input.length, itemIds, bytes });
    for (const itemId of itemIds) owned.places.set(itemId, id);
    owned.bytes += bytes;
    this.bytes += bytes;
    while (this.bytes > this.mostBytes) this.forgetOne(owner);
  }

  async get(id: string, owner: string, budget: Budget): Promise<StoredResponse | undefined> {
    const entry = this.owners.get(owner)?.entries.get(id);
    if (!entry) return undefined;
    await budget.nextTurn('the conversation');
    const items = parse(entry.items) as InputItem[];
    return { response: parse(entry.response) as object, input: items.slice(0, entry.inputLength), items };
  }

  async item(id: string, owner: string, budget: Budget): Promise<InputItem | undefined> {
    const found = await this.get(this.owners.get(owner)?.places.get(id) ?? '', owner, budget);
    return found?.items.find((item) => 'id' in item && item.id === id);
  }

  delete(id: string, owner: string): boolean {
    const owned = this.owners.get(owner);
    const entry = owned?.entries.get(id);
    if (!owned || !entry) return false;
    owned.entries.delete(id);
    for (const itemId of entry.itemIds) if (owned.places.get(itemId) === id) owned.places.delete(itemId);
    owned.bytes -= entry.bytes;
    this.bytes -= entry.bytes;
    if (owned.entries.size === 0) this.owners.delete(owner);
    return true;
  }

  /** Forgets the oldest answer of whoever keeps most; of `asking` where that is as much. */
  private forgetOne(asking: string): void {
    let most = asking;
    for (const [owner, { bytes }] of this.owners) {
      if (bytes > (this.owners.get(most)?.bytes ?? 0)) most = owner;
    }
    this.delete(this.owners.get(most)!.entries.keys().next().value!, most);
  }
}

function bytesOf(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}

function parse(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}
