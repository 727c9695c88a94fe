// Owns the button that names the model. The dialog behind it is fetched when somebody asks for it.
import type { RemoteProgress } from 'onebit/browser';
import type { ChatPage } from './chat/chat-page.ts';
import { messageOf, notice, onFileDrop } from './dom.ts';
import type { ModelDialog } from './model-dialog.ts';
import type { ModelSlot, SlotEvent } from './model-slot.ts';

/** The button in the head of the page; `served`: whether the model of a server that gave the page may answer first. */
export function showModelButton(slot: ModelSlot, chat: ChatPage, served: boolean): void {
  const button = document.getElementById('model-button')!;
  const label = document.getElementById('model-label')!;
  let dialog: Promise<ModelDialog> | undefined;
  const fetched = () => {
    dialog ??= import('./model-dialog.ts').then(
      ({ ModelDialog }) =>
        new ModelDialog(slot, chat, (name) => {
          label.textContent = name;
        }),
    );
    dialog.catch(() => {
      dialog = undefined; // it can be tried again
    });
    return dialog;
  };
  const open = async (file?: File) => {
    try {
      (await fetched()).open(file);
    } catch (error) {
      document.body.append(notice(`The choice of models could not be loaded: ${messageOf(error)}`));
    }
  };
  button.addEventListener('click', () => void open());
  const tell = (event: SlotEvent) => {
    const { backend, threads } = slot.model?.info ?? { backend: '', threads: 0 };
    const how = backend === 'wasm' ? `${backend}, ${threads} thread${threads === 1 ? '' : 's'}` : backend;
    button.dataset.state = event.type;
    if (event.type === 'loading') label.textContent = progressText(event.choice.label, event.progress);
    else label.textContent = slot.model ? slot.choice.label : 'no model';
    button.title = `${label.textContent}${how ? ` (${how})` : ''}. Choose another model.`;
  };
  slot.watch((event) => {
    if (chat.elsewhere === undefined) tell(event);
  });
  if (served && serverBase()) chat.waitFor(fetched().then((known) => known.useServer()));
  onFileDrop(document.documentElement, (files) => {
    const model = files.find(({ name }) => /\.gguf$/i.test(name));
    if (model) void open(model);
  });
}

/** Where the server's routes are, when the page came from onebit's server. */
export function serverBase(): string | undefined {
  return document.querySelector<HTMLMetaElement>('meta[name="onebit-server"]')?.content;
}

export function progressText(name: string, progress: RemoteProgress | undefined): string {
  if (!progress?.totalBytes) return `${name} …`;
  return `${name} ${Math.floor((100 * progress.doneBytes) / progress.totalBytes)} %`;
}
