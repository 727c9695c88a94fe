// Owns the page at `/`: a conversation with the server's models. Self-contained; model output is only ever shown as text.

/** The page. `nonce` is what its script and style carry. */
export function chatPage(nonce: string): string {
  return PAGE.replaceAll('NONCE', nonce);
}

/** What the page may do: talk to this server, nothing else. */
export function pagePolicy(nonce: string): string {
  const own = `'nonce-${nonce}'`;
  return `default-src 'none'; connect-src 'self'; script-src ${own}; style-src ${own}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
}

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>onebit</title>
<style nonce="NONCE">
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { max-width: 46rem; margin: 0 auto; padding: 1rem; display: flex; flex-direction: column; height: 100dvh; box-sizing: border-box; }
  header, form { display: flex; gap: .5rem; align-items: center; flex-wrap: wrap; }
  h1 { font-size: 1.1rem; margin: 0; flex: 1; }
  main { flex: 1; overflow-y: auto; padding: 1rem 0; }
  article { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 0 1rem; padding: .6rem .8rem; border-radius: .6rem; background: #8881; }
  article.user { margin-left: 20%; background: #48f3; }
  article small { display: block; opacity: .7; }
  textarea { flex: 1; min-width: 12rem; font: inherit; padding: .5rem; resize: vertical; }
  button, select, input { font: inherit; padding: .4rem .7rem; }
</style>
<header>
  <h1>onebit</h1>
  <select id="model" aria-label="Model"></select>
  <input id="key" type="password" placeholder="API key" aria-label="API key" autocomplete="off" size="10" hidden>
  <button id="reset" type="button">New chat</button>
</header>
<main id="talk" aria-live="polite"></main>
<form id="form">
  <textarea id="text" rows="2" placeholder="Write a message" aria-label="Message"></textarea>
  <button id="send">Send</button>
</form>
<script nonce="NONCE" type="module">
const $ = (id) => document.getElementById(id);
let messages = [];
let running;
const headers = () => ({ 'content-type': 'application/json', ...($('key').value ? { authorization: 'Bearer ' + $('key').value } : {}) });

async function listModels() {
  const answer = await fetch('/v1/models', { headers: headers() });
  $('key').hidden = answer.ok && !$('key').value;
  if (!answer.ok) return;
  const { data } = await answer.json();
  $('model').replaceChildren(...data.map(({ id }) => new Option(id, id)));
}

function show(role, text) {
  const article = document.createElement('article');
  article.className = role;
  article.append(document.createElement('small'), document.createTextNode(text));
  $('talk').append(article);
  article.scrollIntoView({ block: 'end' });
  return { text: article.lastChild, thoughts: article.firstChild };
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split('\\n\\n');
    rest = parts.pop();
    for (const part of parts) if (part.startsWith('data: ') && part !== 'data: [DONE]') yield JSON.parse(part.slice(6));
  }
}

async function answer() {
  const shown = show('assistant', '');
  running = new AbortController();
  $('send').textContent = 'Stop';
  let content = '';
  try {
    const body = JSON.stringify({ model: $('model').value || undefined, messages, stream: true });
    const response = await fetch('/v1/chat/completions', { method: 'POST', headers: headers(), body, signal: running.signal });
    if (!response.ok) throw new Error((await response.json()).error.message);
    for await (const event of events(response.body)) {
      if (event.error) throw new Error(event.error.message);
      const delta = event.choices[0]?.delta ?? {};
      shown.thoughts.textContent += delta.reasoning_content ?? '';
      content += delta.content ?? '';
      shown.text.data = content;
    }
  } catch (error) {
    if (error.name !== 'AbortError') shown.text.data = content + '\\n[' + error.message + ']';
  }
  if (content) messages.push({ role: 'assistant', content });
  running = undefined;
  $('send').textContent = 'Send';
}

$('form').addEventListener('submit', (event) => {
  event.preventDefault();
  if (running) return running.abort();
  const content = $('text').value.trim();
  if (!content) return;
  $('text').value = '';
  messages.push({ role: 'user', content });
  show('user', content);
  void answer();
});
$('text').addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  $('form').requestSubmit();
});
$('reset').addEventListener('click', () => {
  running?.abort();
  messages = [];
  $('talk').replaceChildren();
});
$('key').addEventListener('change', listModels);
void listModels();
</script>
</html>
`;
