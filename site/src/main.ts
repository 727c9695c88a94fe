// Owns the page as a whole: its four parts, which one is shown, colours, offline use.
import { ChatPage } from './chat/chat-page.ts';
import { showModelButton } from './model-dialog.ts';
import { EMBEDDED, ModelSlot } from './model-slot.ts';
import './style.css';

const slot = new ModelSlot();
// First of all, so that it loads while the page is built.
slot.load(EMBEDDED).catch(() => {}); // the button and the chat say so

const section = (id: string) => document.getElementById(id)!;
const chat = new ChatPage(section('chat'), slot);
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
    new LookPage(section('look'), slot);
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
  void builders[name]?.();
  delete builders[name];
  if (name === 'chat') chat.show();
}

addEventListener('hashchange', () => {
  showPart();
  scrollTo(0, 0);
});
showPart();
showModelButton(slot, chat);
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
