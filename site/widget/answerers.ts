// Owns who answers the widget: a server of `onebit support serve`, or a model in the page (page-answerer.ts). Must not know elements.

export interface Answer {
  readonly action: 'answer' | 'clarify' | 'handover';
  readonly text: string;
  readonly options: readonly { readonly intent: string; readonly name: string }[];
  /** Whether a way to reach the customer is passed on. */
  readonly takesContact: boolean;
}

export interface Answerer {
  readonly texts: Readonly<Record<string, string>>;
  ask(query: string, intent?: string): Promise<Answer>;
  contact?(query: string, contact: string): Promise<unknown>;
}

export interface ServerFacts {
  readonly server: string;
  /** Of the customer, where the page knows it; else it is told from what they write. */
  readonly language?: string;
  /** Of the window. */
  readonly shown: string;
  readonly key: string | null;
  readonly conversation: string;
}

/** Asks a server. */
export async function serverAnswerer({ server, language, shown, key, conversation }: ServerFacts): Promise<Answerer> {
  const call = async (path: string, body?: object) => {
    const headers: Record<string, string> = { 'content-type': 'application/json' };
    if (key) headers.authorization = `Bearer ${key}`;
    const url = new URL(path, server.endsWith('/') ? server : `${server}/`);
    const method = body ? 'POST' : 'GET';
    const response = await fetch(url, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
    if (!response.ok) throw new Error(String(response.status));
    return response.json();
  };
  const { texts, takes_contact: takesContact } = await call(`v1/support?language=${encodeURIComponent(shown)}`);
  const route = (query: string, more: object) =>
    call('v1/route', { input: query, fields: true, conversation, ...(language ? { language } : {}), ...more });
  return {
    texts,
    async ask(query, intent) {
      const { action, text, options } = (await route(query, intent === undefined ? {} : { intent })).data[0];
      return { action, text, options, takesContact };
    },
    contact: (query, contact) => route(query, { contact }),
  };
}
