// Owns the page as a whole: its four parts, which one is shown, colours, offline use.
import { asksForModel } from './asks-for-model.ts';
import { ChatPage } from './chat/chat-page.ts';
import { el, errorBox, isAbort, messageOf, notice } from './dom.ts';
import { forgetModel, hasKeptModel, keepModel, keptModel } from './kept.ts';
import type { LookPage } from './look/look-page.ts';
import { showModelButton } from './model-button.ts';
import { EMBEDDED, ModelSlot } from './model-slot.ts';
import './style.css';

const slot = new ModelSlot();
/** The address names a model: it answers, also in the page of a server that has others. */
const linked = asksForModel();
// First of all, so that it loads while the page is built.
if (!linked && !hasKeptModel())
  slot.load(EMBEDDED).catch(() => {}); // the button and the chat say so
else void openOther();
slot.watch(({ type }) => {
  if (type === 'ready') void keepModel(slot.choice);
});

/** The model of the link, or of the last visit; the page's own where that fails. */
async function openOther(): Promise<void> {
  try {
    const choice = linked ? await (await import('./share.ts')).linkedModel() : await keptModel();
    if (!choice) throw new Error('It is not here any more.');
    await slot.load(choice);
  } catch (error) {
    if (isAbort(error)) return;
    forgetModel();
    await slot.load(EMBEDDED).catch(() => {});
    document.body.append(notice(`The model could not be opened: ${messageOf(error)}`));
  }
}

const section = (id: string) => document.getElementById(id)!;
const chat = new ChatPage(section('chat'), slot, (text) => {
  wanted = text;
  location.hash = '#look';
  if (look) look.show(text);
});
let look: LookPage | undefined;
/** What to look at once the part is there. */
let wanted: string | undefined;

/** The other parts, fetched and built when they are first shown. */
const builders: Record<string, () => Promise<void>> = {
  train: async () => {
    const { TrainPage } = await import('./train/train-page.ts');
    new TrainPage(section('train'), async (choice) => {
      await slot.load(choice);
      chat.answerHere();
      location.hash = '#chat';
    });
  },
  look: async () => {
    const { LookPage } = await import('./look/look-page.ts');
    look = new LookPage(section('look'), slot, wanted);
  },
  measure: async () => {
    const { MeasurePage } = await import('./measure/measure-page.ts');
    new MeasurePage(section('measure'), slot);
  },
};
const names = ['chat', ...Object.keys(builders)];

function showPart(): void {
  const wanted = location.hash.slice(1);
  const name = names.includes(wanted) ? wanted : 'chat';
  for (const id of names) section(id).hidden = id !== name;
  for (const link of document.querySelectorAll<HTMLAnchorElement>('.parts a')) {
    if (link.hash === `#${name}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  void build(name);
  if (name === 'chat') chat.show();
}

/** Builds a part when it is first shown; one that could not be fetched says so and can be tried again. */
async function build(name: string): Promise<void> {
  const builder = builders[name];
  if (!builder) return;
  delete builders[name];
  const place = section(name);
  const waiting = el('p', { role: 'status' }, 'Loading …');
  place.replaceChildren(waiting);
  try {
    await builder();
    waiting.remove();
  } catch (error) {
    builders[name] = builder;
    place.replaceChildren(
      errorBox(`This part could not be loaded: ${messageOf(error)}`),
      el('button', { type: 'button', onclick: () => void build(name) }, 'Try again'),
    );
  }
}

addEventListener('hashchange', () => {
  showPart();
  scrollTo(0, 0);
});
showPart();
showModelButton(slot, chat, !linked && !hasKeptModel());
colours();
document.querySelector<HTMLAnchorElement>('.skip')!.addEventListener('click', (event) => {
  event.preventDefault(); // the hash names the part
  section('main').focus();
});

if ('serviceWorker' in navigator && import.meta.env.PROD) {
  addEventListener('load', () => {
    navigator.serviceWorker.register('./service-worker.js').catch(() => {}); // offline use is a bonus
  });
}

/** The button that goes from the system's colours to light, to dark, and back. */
function colours(): void {
  const button = section('theme');
  const schemes = [
    ['light dark', '◐', 'as the system has them'],
    ['light', '○', 'light'],
    ['dark', '●', 'dark'],
  ] as const;
  let at = Math.max(
    0,
    schemes.findIndex(([scheme]) => scheme === localStorage.getItem('colours')),
  );
  const apply = () => {
    const [scheme, sign, name] = schemes[at];
    document.documentElement.style.colorScheme = scheme;
    button.textContent = sign;
    button.setAttribute('aria-label', `Colours: ${name}`);
    button.title = `Colours: ${name}`;
    localStorage.setItem('colours', scheme);
    dispatchEvent(new Event('colours'));
  };
  button.addEventListener('click', () => {
    at = (at + 1) % schemes.length;
    apply();
  });
  apply();
}
