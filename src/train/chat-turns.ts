// Owns the quick way to put a conversation in a chat template: most templates write each turn alone, as opening, content and ending. Must not know tokens.
import type { ChatMessage } from '../chat/messages.ts';
import type { ChatTemplate } from '../chat/template.ts';
import { type ChatStretch, renderForTraining } from './corpus-chat.ts';

const TRIED: readonly ChatMessage[] = [
  { role: 'system', content: 'Abc.' },
  { role: 'user', content: 'Def' },
  { role: 'assistant', content: 'Ghi jkl?' },
  { role: 'user', content: 'Mno!' },
  { role: 'assistant', content: 'Pqr' },
];

/** Text around the content of a role's turns. */
interface Frame {
  readonly opening: string;
  readonly ending: string;
}

/** Conversations as `renderForTraining` cuts them, of which it renders only those that are not plain: rendering takes a template milliseconds. */
export class ChatTurns {
  readonly #template: ChatTemplate;
  readonly #frames: ReadonlyMap<string, Frame> | undefined;

  constructor(template: ChatTemplate) {
    this.#template = template;
    this.#frames = framesOf(template);
  }

  /** @throws OnebitError as `renderForTraining` */
  stretches(messages: readonly ChatMessage[]): ChatStretch[] {
    const frames = this.#frames;
    return frames && isPlain(messages) ? framed(messages, frames) : renderForTraining(messages, this.#template);
  }
}

function framed(messages: readonly ChatMessage[], frames: ReadonlyMap<string, Frame>): ChatStretch[] {
  const stretches: ChatStretch[] = [];
  let text = '';
  for (const { role, content } of messages) {
    const { opening, ending } = frames.get(role)!;
    if (role !== 'assistant') {
      text += opening + content + ending;
      continue;
    }
    const turn = content + ending;
    const learnt = turn.trimEnd();
    stretches.push({ pieces: [text + opening], learn: false }, { pieces: [learnt], learn: true });
    text = turn.slice(learnt.length);
  }
  if (text !== '') stretches.push({ pieces: [text], learn: false });
  return stretches;
}

/** Whether templates that write turns alone have no reason to look into these: roles take turns, contents have no tags and no white space around them. */
function isPlain(messages: readonly ChatMessage[]): boolean {
  const first = messages[0].role === 'system' ? 1 : 0;
  return messages.every(
    ({ role, content }, i) =>
      (i < first || role === ((i - first) % 2 === 0 ? 'user' : 'assistant')) &&
      content !== '' &&
      /^[^\s<[\]{|}>]([^<[\]{|}>]*[^\s<[\]{|}>])?$/.test(content),
  );
}

/** The frames of a template, or undefined where one does not write `TRIED` and its parts with them. */
function framesOf(template: ChatTemplate): ReadonlyMap<string, Frame> | undefined {
  const frames = new Map<string, Frame>();
  try {
    const write = (messages: readonly ChatMessage[], addGenerationPrompt = false) =>
      template.render(messages, { addGenerationPrompt }).join('');
    let before = '';
    for (const [i, { role, content }] of TRIED.entries()) {
      const all = write(TRIED.slice(0, i + 1));
      const at = all.indexOf(content, before.length);
      if (!all.startsWith(before) || at < 0) return undefined;
      const frame = { opening: all.slice(before.length, at), ending: all.slice(at + content.length) };
      const known = frames.get(role);
      if (known && (known.opening !== frame.opening || known.ending !== frame.ending)) return undefined;
      frames.set(role, frame);
      before = all;
    }
    const { opening } = frames.get('assistant')!;
    const withoutSystem = TRIED.slice(1);
    const alike = withoutSystem.map(
      ({ role, content }) => frames.get(role)!.opening + content + frames.get(role)!.ending,
    );
    if (write(withoutSystem) !== alike.join('')) return undefined;
    return write(TRIED.slice(1, 2), true) === alike[0] + opening ? frames : undefined;
  } catch {
    // A template that refuses one of these (a system message, say) is asked each time.
    return undefined;
  }
}
