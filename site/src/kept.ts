// Owns what survives a reload: the model in use and the conversation, in the browser's storage. Everything of it can be forgotten at once.
import type { ChatMessage } from 'onebit/browser';
import type { ModelChoice } from './model-slot.ts';

const CONVERSATION = 'conversation';
const MODEL = 'model';
/** Files and trained models, by this name; the service worker leaves it alone. */
const CACHE = 'own model';
const FILE = './own-model.gguf';
/** Larger files are not copied: they are a choice away. */
const MOST_BYTES = 256 * 1024 * 1024;
/** Characters of a conversation that are kept; browsers give a page some megabytes. */
const MOST_CHARACTERS = 400_000;

export function keepConversation(messages: readonly ChatMessage[]): void {
  const text = JSON.stringify(messages.filter(({ content }) => content !== ''));
  quietly(() => {
    if (messages.length === 0 || text.length > MOST_CHARACTERS) localStorage.removeItem(CONVERSATION);
    else localStorage.setItem(CONVERSATION, text);
  });
}

export function keptConversation(): ChatMessage[] {
  const found = parsed(CONVERSATION);
  const isMessage = (message: unknown): message is ChatMessage => {
    const { role, content } = (message ?? {}) as Partial<ChatMessage>;
    return (role === 'user' || role === 'assistant') && typeof content === 'string';
  };
  return Array.isArray(found) && found.every(isMessage) ? found : [];
}

/** Remembers the model; a file's bytes are copied into the browser's storage. */
export async function keepModel({ token: _, ...choice }: ModelChoice): Promise<void> {
  const { input } = choice;
  try {
    if (input === undefined) return forgetModel();
    if (typeof input === 'string') {
      localStorage.setItem(MODEL, JSON.stringify(choice));
      await caches.delete(CACHE);
      return;
    }
    const file = input instanceof Blob ? input : new Blob([input as Uint8Array<ArrayBuffer>]);
    if (file.size > MOST_BYTES) return forgetModel();
    await (await caches.open(CACHE)).put(FILE, new Response(file));
    localStorage.setItem(MODEL, JSON.stringify({ ...choice, input: { file: true } }));
  } catch {} // a private window keeps nothing
}

/** The model that was in use when the page was left. */
export async function keptModel(): Promise<ModelChoice | undefined> {
  const found = parsed(MODEL) as (Omit<ModelChoice, 'input'> & { input: unknown }) | undefined;
  if (!found || typeof found.label !== 'string') return undefined;
  if (typeof found.input === 'string') return found as ModelChoice;
  try {
    const file = await (await caches.open(CACHE)).match(FILE);
    return file && { ...found, input: await file.blob() };
  } catch {
    return undefined;
  }
}

/** Whether a model other than the page's own was in use. */
export function hasKeptModel(): boolean {
  return parsed(MODEL) !== undefined;
}

export function forgetModel(): void {
  quietly(() => localStorage.removeItem(MODEL));
  if ('caches' in globalThis) void caches.delete(CACHE).catch(() => {});
}

/** Forgets the conversation, the settings and the model in use; downloaded models stay until they are removed. */
export function forgetAll(): void {
  quietly(() => {
    localStorage.clear();
    sessionStorage.clear();
  });
  forgetModel();
}

function parsed(key: string): unknown {
  try {
    return JSON.parse(localStorage.getItem(key) ?? 'null') ?? undefined;
  } catch {
    return undefined;
  }
}

/** Storage may be full or refused; the page works without. */
function quietly(use: () => void): void {
  try {
    use();
  } catch {}
}
