// Owns the operator's page: one document that asks for the operator's key, then shows the queue, who works, what went wrong, and tries again. It holds no data itself.

const STYLE = `
  :root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
  body { margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
  table { border-collapse: collapse; width: 100%; margin-bottom: 2rem }
  th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid color-mix(in srgb, currentColor 20%, transparent) }
  dl { display: flex; flex-wrap: wrap; gap: 2rem } dd { margin: 0; font-size: 1.6rem }
  input, button { font: inherit; padding: .3rem .6rem }`;

const SCRIPT = `
  const at = (id) => document.getElementById(id);
  const cell = (row, content) => row.appendChild(document.createElement('td')).append(content);
  const fill = (id, rows) => at(id).replaceChildren(...rows.map((cells) => {
    const row = document.createElement('tr');
    for (const content of cells) cell(row, content);
    return row;
  }));
  const ask = async (path, method = 'GET') => {
    const key = at('key').value.trim();
    const answer = await fetch(path, { method, headers: key ? { authorization: 'Bearer ' + key } : {} });
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.error.message);
    return body;
  };
  const age = (seconds) => seconds < 120 ? Math.round(seconds) + ' s' : Math.round(seconds / 60) + ' min';
  const LEFT = {
    unknown_key: 'it does not know their key: give it the --api-keys of the servers, or cancel the batch where the key is gone',
    model: 'it has not the model that they are for',
    watermark: 'their server has another --watermark',
    policy: 'their server has another --policy or --policy-fail',
  };
  const done = new Map(); // what came of a button, which stays when the numbers are new
  const button = (batch, does, text) => {
    const path = 'v1/operator/batches/' + encodeURIComponent(batch) + '/' + does;
    if (done.has(path)) return done.get(path);
    const element = document.createElement('button');
    element.textContent = text;
    element.onclick = async () => {
      element.disabled = true;
      let said;
      try {
        const made = await ask(path, 'POST');
        done.set(path, made.id === batch ? made.status : made.id);
        said = done.get(path);
      } catch (error) {
        said = error.message;
      }
      at('said').textContent = batch + ': ' + said;
      show();
    };
    return element;
  };
  let last;
  const show = async () => {
    try {
      const jobs = await ask('v1/operator/jobs');
      const now = performance.now();
      const speed = last ? (jobs.done - last.done) / (now - last.at) * 1000 : 0;
      last = { done: jobs.done, at: now };
      for (const name of ['waiting', 'running', 'done']) at(name).textContent = jobs[name];
      at('oldest').textContent = age(jobs.oldest_seconds);
      at('speed').textContent = speed.toFixed(1);
      fill('workers', jobs.workers.map((w) => [w.id, w.models.join(', '), w.running, w.done, age(Date.now() / 1000 - w.seen_at), w.leaves.map((reason) => LEFT[reason]).join('; ')]));
      fill('reasons', Object.entries(jobs.failed));
      fill('batches', jobs.batches.map((b) => [b.id, b.status, b.completed + ' of ' + b.total, b.failed, age(Date.now() / 1000 - b.created_at), button(b.id, 'cancel', 'Cancel')]));
      const shown = new Set();
      fill('failures', jobs.failures.map((f) => {
        const isFirst = !shown.has(f.batch);
        shown.add(f.batch);
        const again = isFirst ? button(f.batch, 'retry', 'Try the failed rows again') : '';
        return [f.batch, f.line ?? '', f.reason, new Date(f.at * 1000).toLocaleString(), again];
      }));
      at('lost').textContent = '';
    } catch (error) { at('lost').textContent = error.message; }
  };
  at('form').onsubmit = (event) => { event.preventDefault(); show(); };
  setInterval(show, 5000);
  show();`;

const heads = (names: readonly string[]) => `<tr>${names.map((name) => `<th>${name}</th>`).join('')}</tr>`;
const table = (id: string, title: string, names: readonly string[]) =>
  `<h2>${title}</h2><table><thead>${heads(names)}</thead><tbody id="${id}"></tbody></table>`;

/** The page. Its script and style alone may run. */
export function operatorPage(): Response {
  const nonce = crypto.randomUUID();
  const numbers = [
    ['waiting', 'rows wait'],
    ['running', 'are being answered'],
    ['oldest', 'the oldest batch is'],
    ['done', 'answered'],
    ['speed', 'rows a second'],
  ];
  const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>onebit: jobs</title>
<meta name="viewport" content="width=device-width"><style nonce="${nonce}">${STYLE}</style></head><body>
<h1>Jobs</h1><form id="form"><label>Operator’s key <input id="key" type="password" autocomplete="off"></label> <button>Show</button></form>
<p id="lost" role="status"></p><p id="said" role="status"></p>
<dl>${numbers.map(([id, name]) => `<div><dt>${name}</dt><dd id="${id}">–</dd></div>`).join('')}</dl>
${table('workers', 'Workers', ['worker', 'models', 'rows now', 'rows so far', 'heard of', 'leaves rows to others, as'])}
${table('batches', 'Batches that have not ended', ['batch', 'status', 'answered', 'with an error', 'age', ''])}
${table('reasons', 'Rows with an error', ['reason', 'rows'])}
${table('failures', 'The last errors', ['batch', 'line', 'reason', 'when', ''])}
<script nonce="${nonce}">${SCRIPT}</script></body></html>`;
  const allowed = `script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self'`;
  return new Response(html, {
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'content-security-policy': `default-src 'none'; ${allowed}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    },
  });
}
