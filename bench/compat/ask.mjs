// Owns asking a started server one case of another project's suite: a request, and what the suite expects of the answer.
// A case is { name, method?, path, headers?, body?, status?, stream?, check?, again? }; `check` gives what is wrong, or nothing, and `again` the next request of a case of several.

/** What is wrong with the answer to a case; undefined where nothing is. */
export async function problemOf(url, given) {
  for (let one = given, earlier = []; one; ) {
    const answer = await ask(url, one);
    const expected = one.status ?? 200;
    const isRight = typeof expected === 'function' ? expected(answer.status) : answer.status === expected;
    if (!isRight) return `status ${answer.status}: ${JSON.stringify(answer.body)?.slice(0, 160)}`;
    const problem = one.check?.(answer.body, answer, earlier);
    if (problem) return String(problem).slice(0, 200);
    earlier = [...earlier, answer];
    one = one.again?.(answer.body);
  }
  return undefined;
}

/** `body` is the JSON, the text, or where it streams the list of events: { event, data }. */
async function ask(url, { method, path, headers = {}, body, stream = false }) {
  const response = await fetch(url + path, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  const type = response.headers.get('content-type') ?? '';
  const answer = { status: response.status, headers: response.headers };
  if (stream && type.includes('event-stream')) return { ...answer, body: eventsOf(text) };
  if (stream && type.includes('ndjson'))
    return {
      ...answer,
      body: text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    };
  return { ...answer, body: type.includes('json') ? JSON.parse(text) : text };
}

function eventsOf(text) {
  return text
    .split('\n\n')
    .map((part) => ({ event: /^event: (.*)$/m.exec(part)?.[1], data: /^data: (.*)$/m.exec(part)?.[1] }))
    .filter(({ data }) => data !== undefined && data !== '[DONE]')
    .map(({ event, data }) => ({ event, data: JSON.parse(data) }));
}
