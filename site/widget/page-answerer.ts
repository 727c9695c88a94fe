// Owns answering the widget in the page, without a server: the model is fetched once, nothing that customers write leaves the page. Built into
// dist/widget/support.js, which also is `onebit/support` for pages. Must not know elements.
import { loadSupport, MessageRouter, voiceOf } from 'onebit/support';
import type { Answerer } from './answerers.ts';

export * from 'onebit/support';

/** @param language of the customer, where it is known @param shown of the window */
export async function pageAnswerer(url: string, language: string | undefined, shown: string): Promise<Answerer> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  const model = await loadSupport(new Uint8Array(await response.arrayBuffer()));
  const router = await MessageRouter.of(model);
  return {
    texts: { ...voiceOf(model.texts, shown).texts },
    async ask(query, intent) {
      const route = router.route(query, { intent, language });
      const voice = voiceOf(model.texts, route.language);
      const options = route.options.map((option) => ({ intent: option.intent, name: voice.name(option.intent) }));
      return { action: route.action, text: route.text, options, takesContact: false };
    },
  };
}
