// Owns reading JSON without loss and writing it as Python's `json.dumps(value, ensure_ascii=False)` does, which MaskBench's runner uses:
// the order of keys is kept (JavaScript puts number keys first), and 1.0 stays 1.0.

/** Rewrites the value that begins at `from` in `text`. Returns the new text and where the value ends. */
export function rewrite(text, from = 0) {
  let at = from;
  const space = () => {
    while (text[at] === ' ' || text[at] === '\n' || text[at] === '\r' || text[at] === '\t') at++;
  };
  const string = () => {
    const begin = at++;
    while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
    return JSON.stringify(JSON.parse(text.slice(begin, ++at)));
  };
  const value = () => {
    space();
    const first = text[at];
    if (first === '"') return string();
    if (first === '{' || first === '[') {
      at++;
      const items = new Map();
      const list = [];
      space();
      if (text[at] === '}' || text[at] === ']') {
        at++;
        return first === '{' ? '{}' : '[]';
      }
      for (;;) {
        space();
        if (first === '{') {
          const key = string();
          space();
          at++;
          items.set(key, value());
        } else list.push(value());
        space();
        if (text[at++] !== ',') break;
      }
      if (first === '[') return `[${list.join(', ')}]`;
      return `{${[...items].map(([key, item]) => `${key}: ${item}`).join(', ')}}`;
    }
    const [word] = /^(?:true|false|null|-?[0-9.eE+-]+)/.exec(text.slice(at, at + 400));
    at += word.length;
    return /[.eE]/.test(word) && word !== 'true' && word !== 'false' ? pythonFloat(Number(word)) : word;
  };
  return { text: value(), end: at };
}

/** `repr` of a float: exponents from 10^16 and below 10^-4. */
function pythonFloat(value) {
  if (Object.is(value, -0)) return '-0.0';
  const size = Math.abs(value);
  if (size !== 0 && (size >= 1e16 || size < 1e-4)) {
    const [digits, power] = value.toExponential().split('e');
    return `${digits}e${power[0]}${power.slice(1).padStart(2, '0')}`;
  }
  const text = value.toFixed(0) === String(value) ? `${value}.0` : String(value);
  return text;
}

/** The instances of a file of MaskBench, each rewritten: the texts of `"data"` of its tests, in order. */
export function instancesOf(text) {
  const found = [];
  const root = keysOf(text, 0).find(([key]) => key === 'tests');
  if (!root) return found;
  for (const at of itemsOf(text, root[1])) {
    const data = keysOf(text, at).find(([key]) => key === 'data');
    found.push(rewrite(text, data[1]).text);
  }
  return found;
}

/** Where the values of an object begin. */
function keysOf(text, from) {
  const keys = [];
  let at = text.indexOf('{', from) + 1;
  for (;;) {
    while (/[\s,]/.test(text[at])) at++;
    if (text[at] === '}') return keys;
    const key = rewrite(text, at);
    const colon = text.indexOf(':', key.end) + 1;
    keys.push([JSON.parse(key.text), colon]);
    at = rewrite(text, colon).end;
  }
}

function itemsOf(text, from) {
  const items = [];
  let at = text.indexOf('[', from) + 1;
  for (;;) {
    while (/[\s,]/.test(text[at])) at++;
    if (text[at] === ']') return items;
    items.push(at);
    at = rewrite(text, at).end;
  }
}
