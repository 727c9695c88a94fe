// Owns the comparison of sizes: what the file takes, and what it would take in 16 and 32 bits per weight.
import type { Gguf } from 'onebit/gguf';
import { el, scrollBox } from '../dom.ts';
import { bytes, digits } from '../format.ts';

interface Part {
  readonly name: string;
  parameters: number;
  bytes: number;
}

const PARTS: readonly (readonly [string, RegExp])[] = [
  ['attention', /attn_(q|k|v|output)\./],
  ['feed-forward', /ffn_(gate|up|down)\./],
  ['embedding and head', /^(token_embd|output)\.weight/],
  ['norms', /norm/],
];

/** Bars of each part of the model: as it is, against fp16. */
const COLUMNS = ['part', '', 'here', 'in fp16', 'smaller'];

export function sizes(gguf: Gguf): HTMLElement {
  const parts = PARTS.map(([name]): Part => ({ name, parameters: 0, bytes: 0 }));
  for (const { name, shape, sizeBytes } of gguf.tensors.values()) {
    const part = parts[PARTS.findIndex(([, pattern]) => pattern.test(name))] ?? parts[0];
    part.parameters += shape.reduce((a, b) => a * b, 1);
    part.bytes += sizeBytes;
  }
  const all: Part = { name: 'all', parameters: 0, bytes: 0 };
  for (const part of parts) {
    all.parameters += part.parameters;
    all.bytes += part.bytes;
  }
  const largest = Math.max(...parts.map(({ parameters }) => 2 * parameters));
  const bar = (share: number, kind: string) => {
    const element = el('span', { class: `bar ${kind}` });
    element.style.setProperty('--share', String(share));
    return element;
  };
  const rows = [...parts, all].map((part) => {
    const whole = part === all ? 2 * all.parameters : largest;
    return el(
      'tr',
      { class: part === all ? 'all' : undefined },
      el('th', { scope: 'row' }, part.name),
      el(
        'td',
        { class: 'bars', 'aria-hidden': 'true' },
        bar((2 * part.parameters) / whole, 'other'),
        bar(part.bytes / whole, 'own'),
      ),
      el('td', {}, bytes(part.bytes)),
      el('td', {}, bytes(2 * part.parameters)),
      el('td', {}, `${digits((2 * part.parameters) / part.bytes)} ×`),
    );
  });
  return el(
    'div',
    { class: 'sizes' },
    el(
      'p',
      {},
      `${digits((8 * all.bytes) / all.parameters)} bits per weight: the signs, and one 16-bit scale for each block. In fp16 the same network would take ${bytes(2 * all.parameters)}, in fp32 ${bytes(4 * all.parameters)}.`,
    ),
    scrollBox(
      'Sizes',
      el(
        'table',
        {},
        el(
          'thead',
          {},
          el('tr', {}, ...COLUMNS.map((name) => (name === '' ? el('td') : el('th', { scope: 'col' }, name)))),
        ),
        el('tbody', {}, ...rows),
      ),
    ),
  );
}
