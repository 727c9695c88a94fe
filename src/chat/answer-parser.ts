// Owns taking a model's answer apart while it is written: what it thought (`<think>`), what it says, and which tools it calls (`<tool_call>` with
// JSON inside, as Qwen's models write). Must not know tokens or HTTP.
import { CallReader } from './call-reader.ts';
import type { ToolCall } from './messages.ts';

/** A call, or more of one: the first part of a call has its name. */
export interface ToolCallPart {
  /** Which of the calls of the answer it is. */
  readonly index: number;
  readonly name?: string;
  /** What came of the JSON of the arguments. */
  readonly arguments: string;
  /** Whether the call is complete with this part. */
  readonly done: boolean;
}

/** What became certain. Empty fields are left out. */
export interface AnswerDelta {
  readonly reasoning?: string;
  readonly content?: string;
  readonly toolCalls?: readonly ToolCallPart[];
}

export interface AnswerParserOptions {
  /** The prompt ended inside `<think>`. Default false. */
  readonly startsInReasoning?: boolean;
  /** Whether `<tool_call>` is looked for; otherwise it is ordinary text. Default false. */
  readonly tools?: boolean;
  /** Whether calls are all that may come, so that one which was cut off is no content. Default false. */
  readonly onlyCalls?: boolean;
  /** Whether calls are certain to be well-formed, so that they are given while they are written; otherwise when they are complete. Default false. */
  readonly wellFormed?: boolean;
}

const THINK = '<think>';
const END_THINK = '</think>';
const CALL = '<tool_call>';
const END_CALL = '</tool_call>';

type State = 'start' | 'reasoning' | 'after-reasoning' | 'content' | 'call';

/** Takes pieces of an answer, gives its parts. What might still become a tag is held back. */
export class AnswerParser {
  /** Complete tool calls found so far. */
  callCount = 0;
  private readonly tools: boolean;
  private readonly onlyCalls: boolean;
  private readonly wellFormed: boolean;
  private state: State;
  private pending = '';
  private reasoning = '';
  /** Whether any thought was given, before which space is dropped. */
  private reasoned = false;
  private content = '';
  private calls: ToolCallPart[] = [];
  /** Reads the call that is being written, where calls are given meanwhile. */
  private reader = new CallReader();

  constructor(options: AnswerParserOptions = {}) {
    this.tools = options.tools ?? false;
    this.onlyCalls = options.onlyCalls ?? false;
    this.wellFormed = options.wellFormed ?? false;
    this.state = options.startsInReasoning ? 'reasoning' : 'start';
  }

  /** Whether what was added last belongs to a thought, or to the space behind one. */
  get isReasoning(): boolean {
    return this.state === 'reasoning' || this.state === 'after-reasoning';
  }

  /** Adds `text`. */
  push(text: string): AnswerDelta {
    this.pending += text;
    while (this.advance());
    return this.take();
  }

  /**
   * Gives what was held back, at the end of the answer. A call that was not finished is given as content, but not where it was given as a call as far as
   * it came, nor where calls came before it.
   */
  flush(): AnswerDelta {
    const given = this.state === 'call' && this.reader.name !== undefined;
    const rest = this.state === 'call' ? CALL + this.reader.head + this.pending : this.pending;
    const begunCall = this.state === 'call' || (this.tools && CALL.startsWith(this.pending.trim()));
    const dropped = begunCall && (this.onlyCalls || this.callCount > 0);
    if (this.state === 'reasoning') this.reasoning += this.pending;
    else if (!given && !dropped) this.content += rest;
    this.pending = '';
    return this.take();
  }

  /** One step; false when more text is needed. */
  private advance(): boolean {
    switch (this.state) {
      case 'start':
        return this.begin();
      case 'reasoning':
        return this.readUntil(END_THINK, 'after-reasoning', (text) => {
          this.reasoning += this.reasoned ? text : text.trimStart();
          this.reasoned ||= this.reasoning !== '';
        });
      case 'after-reasoning': {
        const rest = this.pending.trimStart();
        this.pending = rest;
        if (rest === '') return false;
        this.state = 'content';
        return true;
      }
      case 'content':
        return this.tools ? this.readContent() : this.readAll();
      case 'call':
        return this.readCall();
    }
  }

  /** Thoughts may only come first. */
  private begin(): boolean {
    const text = this.pending.trimStart();
    if (text.startsWith(THINK)) {
      this.pending = text.slice(THINK.length);
      this.state = 'reasoning';
      return true;
    }
    if (THINK.startsWith(text)) return false;
    this.state = 'content';
    return true;
  }

  private readAll(): boolean {
    this.content += this.pending;
    this.pending = '';
    return false;
  }

  private readContent(): boolean {
    return this.readUntil(CALL, 'call', (text) => {
      this.content += text;
    });
  }

  private readCall(): boolean {
    if (this.wellFormed) return this.readWellFormed();
    const end = this.pending.indexOf(END_CALL);
    if (end < 0) return false;
    const body = this.pending.slice(0, end);
    const call = parseToolCall(body);
    if (call) {
      this.calls.push({ index: this.callCount++, ...call, done: true });
      this.pending = this.pending.slice(end + END_CALL.length).trimStart();
    } else {
      this.content += CALL + body + END_CALL;
      this.pending = this.pending.slice(end + END_CALL.length);
    }
    this.state = call ? 'after-reasoning' : 'content';
    return true;
  }

  /** Gives what came of a call; what is behind its arguments only closes it. */
  private readWellFormed(): boolean {
    if (!this.reader.isDone) {
      const named = this.reader.name !== undefined;
      const text = this.reader.push(this.pending);
      const { name, isDone } = this.reader;
      this.pending = this.reader.rest;
      if (name !== undefined && !(named && text === '')) {
        this.calls.push({ index: this.callCount, ...(named ? {} : { name }), arguments: text, done: isDone });
      }
      if (!isDone) return false;
      this.callCount++;
    }
    const end = this.pending.indexOf(END_CALL);
    if (end < 0) return false;
    this.pending = this.pending.slice(end + END_CALL.length).trimStart();
    this.reader = new CallReader();
    this.state = 'after-reasoning';
    return true;
  }

  /** Passes text on up to `tag` and the space before it, then goes to `next`; without the tag all that cannot belong to it. */
  private readUntil(tag: string, next: State, pass: (text: string) => void): boolean {
    const at = this.pending.indexOf(tag);
    if (at >= 0) {
      pass(this.pending.slice(0, at).trimEnd());
      this.pending = this.pending.slice(at + tag.length);
      this.state = next;
      return true;
    }
    const certain = this.pending.slice(0, this.pending.length - heldBack(this.pending, tag)).trimEnd();
    pass(certain);
    this.pending = this.pending.slice(certain.length);
    return false;
  }

  private take(): AnswerDelta {
    const delta = {
      ...(this.reasoning === '' ? {} : { reasoning: this.reasoning }),
      ...(this.content === '' ? {} : { content: this.content }),
      ...(this.calls.length === 0 ? {} : { toolCalls: this.calls }),
    };
    this.reasoning = '';
    this.content = '';
    this.calls = [];
    return delta;
  }
}

/** Length of the longest end of `text` with which `tag` begins. */
function heldBack(text: string, tag: string): number {
  for (let length = Math.min(tag.length - 1, text.length); length > 0; length--) {
    if (text.endsWith(tag.slice(0, length))) return length;
  }
  return 0;
}

/** The call inside `<tool_call>`, or undefined when it is not one. */
function parseToolCall(text: string): ToolCall | undefined {
  try {
    const value = JSON.parse(text);
    if (typeof value !== 'object' || value === null || typeof value.name !== 'string') return undefined;
    const given = typeof value.arguments === 'string' ? JSON.parse(value.arguments) : (value.arguments ?? {});
    if (typeof given !== 'object' || given === null || Array.isArray(given)) return undefined;
    return { name: value.name, arguments: JSON.stringify(given) };
  } catch {
    return undefined;
  }
}
