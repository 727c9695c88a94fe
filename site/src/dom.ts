// Owns making elements. Text is only ever set as text: what models say can hold anything.

type Child = Node | string | undefined | false;
type Attributes = Record<string, string | number | boolean | ((event: never) => void) | undefined>;

/** An element: `class`, attributes, `onclick`-like listeners by their property names, children. */
export function el<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), value as EventListener);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children.filter((child) => child !== undefined && child !== false));
  return element;
}

/** A labelled control in a row of its own. */
export function field(label: string, control: HTMLElement, hint?: string): HTMLLabelElement {
  return el('label', { class: 'field' }, el('span', {}, label), control, hint && el('small', {}, hint));
}

/** What may be wider than the page: it is scrolled, by keys too. */
export function scrollBox(label: string, ...children: Child[]): HTMLDivElement {
  return el('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': label }, ...children);
}

/** What an error says to people. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

export function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

/** A message that a screen reader says at once. */
export function errorBox(error: unknown): HTMLElement {
  return el('p', { class: 'error', role: 'alert' }, messageOf(error));
}

/** Offers bytes as a file. */
export function download(name: string, bytes: BlobPart, type: string): void {
  const url = URL.createObjectURL(new Blob([bytes], { type }));
  el('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Lets files be dropped on `target`. */
export function onFileDrop(target: HTMLElement, accept: (files: File[]) => void): void {
  const holdsFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files');
  target.addEventListener('dragover', (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    target.classList.add('dropping');
  });
  for (const name of ['dragleave', 'drop'] as const) {
    target.addEventListener(name, () => target.classList.remove('dropping'));
  }
  target.addEventListener('drop', (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    event.stopPropagation();
    accept([...event.dataTransfer!.files]);
  });
}

/** What a colour of the style sheet is now, as `rgb(…)`. */
export function colourOf(variable: string): string {
  const probe = el('span', { hidden: true });
  probe.style.color = `var(${variable})`; // as an attribute, a content policy may refuse it
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/** Calls `draw` whenever colours change; what is drawn on a canvas does not follow by itself. */
export function onColours(draw: () => void): void {
  addEventListener('colours', draw);
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
}

/** A message at the foot of the page that can be put away. */
export function notice(text: string): HTMLElement {
  const box = el('div', { class: 'notice', role: 'alert' }, el('span', {}, text));
  box.append(el('button', { type: 'button', onclick: () => box.remove(), 'aria-label': 'Close' }, '×'));
  return box;
}
