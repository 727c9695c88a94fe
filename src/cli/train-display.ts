// Owns what a training run looks like on a terminal and in plain logs. Must not know files or training.
import type { WriteStream } from 'node:tty';
import { printableLines } from '../core/printable.ts';
import { drawCurve } from '../train/report-curve.ts';
import type { TrainDone, TrainProgress, TrainStep } from '../train/train-options.ts';

const REDRAW_MS = 100;
/** Without a terminal a line now and then, so that logs stay short. */
const LINE_MS = 10_000;

/** Shows events on `stream`: on a terminal a line redrawn in place, otherwise a line every ten seconds. */
export class TrainDisplay {
  readonly #stream: Pick<WriteStream, 'write' | 'isTTY' | 'columns'>;
  #shownAt = performance.now() - LINE_MS;
  #drawn = false;
  #heldOut: number | undefined;

  constructor(stream: Pick<WriteStream, 'write' | 'isTTY' | 'columns'> = process.stderr) {
    this.#stream = stream;
  }

  show(event: TrainProgress): void {
    if (event.type === 'start') {
      const { shape, parameters, corpusTokens, bytesPerToken } = event;
      this.line(
        `${formatCount(parameters)} ${shape.weights} weights: width ${shape.width}, ${shape.layers} layers, ${shape.vocabulary} tokens; ${event.documents} documents, ${formatCount(corpusTokens)} tokens (${bytesPerToken.toFixed(2)} bytes each)`,
      );
      if (event.resumedSteps > 0) this.line(`going on after update ${event.resumedSteps}`);
    } else if (event.type === 'step') this.#step(event);
    else if (event.type === 'evaluation') {
      this.#heldOut = event.bitsPerByte;
      this.line(`update ${event.step}: ${event.bitsPerByte.toFixed(3)} bits/byte on held-out text`);
    } else if (event.type === 'sample')
      this.line(`update ${event.step}, a sample: ${quoted(event.prompt, event.text)}`);
    else if (event.type === 'notice') this.line(`note: ${event.message}`);
    else this.clear();
  }

  /** Prints a line above the one that is redrawn. */
  line(text: string): void {
    this.clear();
    this.#stream.write(`${printableLines(text)}\n`);
  }

  clear(): void {
    if (this.#drawn) this.#stream.write('\r\x1b[K');
    this.#drawn = false;
  }

  #step(event: TrainStep): void {
    const now = performance.now();
    if (now - this.#shownAt < (this.#stream.isTTY ? REDRAW_MS : LINE_MS)) return;
    this.#shownAt = now;
    const columns = this.#stream.isTTY ? this.#stream.columns || 80 : 200;
    const text = stepText(event, this.#heldOut, columns);
    if (!this.#stream.isTTY) {
      this.#stream.write(`${text}\n`);
      return;
    }
    this.#stream.write(`\r\x1b[K${text}`);
    this.#drawn = true;
  }
}

/** One line of fewer than `columns` characters about a run: share, update, loss, bits per byte, speed, time left. */
export function stepText(event: TrainStep, heldOut: number | undefined, columns: number): string {
  const share = `${String(Math.floor(100 * event.progress)).padStart(3)} %`;
  const held = heldOut === undefined ? '' : ` (held out ${heldOut.toFixed(3)})`;
  const numbers = `update ${event.step}  loss ${event.loss.toFixed(3)}  ${event.bitsPerByte.toFixed(3)} bits/byte${held}  ${event.tokensPerSecond.toFixed(0)} tokens/s  ${formatDuration(event.secondsLeft)} left`;
  const width = Math.min(20, columns - 1 - numbers.length - share.length - 6);
  const full = Math.round(event.progress * width);
  const bar = width >= 6 ? `[${'#'.repeat(full)}${'.'.repeat(width - full)}] ` : '';
  return `${bar}${share}  ${numbers}`.slice(0, columns - 1);
}

/** The end of a run: its curve and its numbers. */
export function summaryText(done: TrainDone, path: string, columns: number): string {
  const points = done.evaluations.length > 2 ? done.evaluations : done.losses;
  const kind = points === done.evaluations ? 'held-out bits/byte' : 'bits/byte in training';
  const curve = drawCurve(points, Math.max(20, Math.min(72, columns - 30)), 10, `updates, ${kind}`);
  const quality = done.validation
    ? `${done.validation.bitsPerByte.toFixed(4)} bits/byte on ${formatCount(done.validation.bytes)} held-out bytes`
    : `loss ${done.loss.toFixed(3)} nats/token in training`;
  const size = `${(done.model.length / 1e6).toFixed(3)} MB`;
  const line = `${path}: ${size}, ${quality}; ${done.steps} updates, ${formatCount(done.tokens)} tokens in ${formatDuration(done.seconds)} (${done.tokensPerSecond.toFixed(0)} tokens/s)`;
  return [...(curve === '' ? [] : [curve, '']), line, ...answersLine(done)].join('\n');
}

/** How many of the questions that its text's conversations begin with the model answers as the text does, and what to do where that is fewer than half. */
function answersLine({ answers }: TrainDone): string[] {
  if (!answers) return [];
  const { right, asked } = answers;
  const line = `${right} of ${asked} first questions of the text are answered to the letter`;
  return [2 * right < asked ? `${line}: it has not learnt them yet, give it more --minutes` : line];
}

function quoted(prompt: string, text: string): string {
  return `${JSON.stringify(prompt)} -> ${JSON.stringify(text)}`;
}

/** 6.5M, 12k, 300. */
export function formatCount(count: number): string {
  if (count >= 1e6) return `${(count / 1e6).toFixed(count >= 1e7 ? 0 : 1)}M`;
  return count >= 1e4 ? `${(count / 1e3).toFixed(0)}k` : String(count);
}

/** 45 s, 3:20 min, 2:05 h. */
export function formatDuration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const [unit, size] = whole < 3600 ? ['min', 60] : ['h', 3600];
  const rest = Math.floor((whole % Number(size)) / (Number(size) / 60));
  return `${Math.floor(whole / Number(size))}:${String(rest).padStart(2, '0')} ${unit}`;
}
