// Owns telling why a valid document is not accepted: whether it is once its properties come in another order, or without those that the schema does not
// name. Both are documented (docs/structured.md). What neither explains is 'other'.
const encoder = new TextEncoder();
/** Values looked at for one document. */
const MOST_LOOKS = 100_000;

/** 'order', 'additional' or 'other' (with where it stops). Needs the machine of a grammar. */
export function whyNot({ machine }, document) {
  if (find(machine, document, false).found) return { why: 'order' };
  const { found, left, furthest } = find(machine, document, true);
  if (found) return { why: 'additional', left };
  return {
    why: 'other',
    at: furthest.path.join('/').slice(0, 120),
    value: JSON.stringify(furthest.value)?.slice(0, 80),
  };
}

function find(machine, document, mayLeaveOut) {
  let looks = MOST_LOOKS;
  let furthest = { path: [], value: document };
  const left = [];
  const note = (path, value) => {
    if (path.length >= furthest.path.length) furthest = { path, value };
  };
  const write = (situation, text) => {
    let at = situation;
    for (const value of encoder.encode(text)) {
      at = machine.step(at, value);
      if (!at) return null;
    }
    return at;
  };
  function* value(given, situation, path) {
    if (looks-- < 0) return;
    const isList = Array.isArray(given);
    const isObject = !isList && typeof given === 'object' && given !== null;
    const next = write(situation, isList ? '[' : isObject ? '{' : JSON.stringify(given));
    if (!next) note(path, given);
    else if (isList) yield* items(given, 0, next, path);
    else if (isObject) yield* properties(given, Object.keys(given), next, true, path);
    else yield next;
  }
  function* items(list, i, situation, path) {
    const next = write(situation, i === list.length ? ']' : i > 0 ? ',' : '');
    if (!next) note([...path, i], list[i]);
    else if (i === list.length) yield next;
    else for (const after of value(list[i], next, [...path, i])) yield* items(list, i + 1, after, path);
  }
  function* properties(object, names, situation, isFirst, path) {
    if (looks-- < 0) return;
    const keyOf = (at, name, first) => write(at, `${first ? '' : ','}${JSON.stringify(name)}:`);
    const possible = names.filter((name) => keyOf(situation, name, isFirst));
    for (const name of possible) {
      const rest = names.filter((other) => other !== name);
      for (const after of value(object[name], keyOf(situation, name, isFirst), [...path, name])) {
        // Whoever could come before and cannot now was passed over.
        if (!mayLeaveOut && possible.some((other) => other !== name && !keyOf(after, other, false))) continue;
        yield* properties(object, rest, after, false, path);
      }
    }
    if (names.length > 0 && !mayLeaveOut) return note([...path, names[0]], object[names[0]]);
    const end = write(situation, '}');
    if (!end) return note([...path, '}'], names);
    left.push(...names);
    yield end;
    left.length -= names.length;
  }
  for (const end of value(document, machine.start, [])) if (end.ended) return { found: true, left: left.slice(0, 5) };
  return { found: false, furthest };
}
