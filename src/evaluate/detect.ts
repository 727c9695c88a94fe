// Owns testing a text for a mark, once or again and again while it grows. How it is read: places.ts; the test itself: watermark.ts.
import { checkWatermarkKey } from '../generate/watermark-key.ts';
import { placesOf, type Reader } from './places.ts';
import { type Detection, detect } from './watermark.ts';

export interface DetectOptions {
  /** The secret key of the mark. */
  readonly key: string;
  /** What the text may be the answer to, or the continuation of. Default: nothing; the test is weaker where the model says much else without it. */
  readonly prompt?: string;
  readonly signal?: AbortSignal;
}

/** Tests a text. @throws OnebitError `bad-argument` for a key that is too short */
export async function detectWatermark(
  text: string,
  key: string,
  reader: Reader,
  signal?: AbortSignal,
): Promise<Detection> {
  checkWatermarkKey(key);
  const { tokenizer } = reader;
  return detect(text, await placesOf(text, reader, signal), key, tokenizer);
}

/** A look at a text that grows. */
export interface DetectionSoFar extends Detection {
  /** Characters that were there. */
  readonly characters: number;
  /** Holds for whoever looks at every look and stops when it pleases: the least `pValue` of look k times k (k + 1), at most 1. */
  readonly pValueAnytime: number;
}

/** By how much a text must have grown for another look. */
const GROWTH = 1.25;
const FIRST_LOOK = 100;

/** Looks at a text that comes in pieces: when there are 100 characters, each time it has grown by a quarter, and at its end. */
export async function* watchWatermark(
  pieces: AsyncIterable<string>,
  look: (text: string) => Promise<Detection>,
): AsyncGenerator<DetectionSoFar, void, void> {
  let text = '';
  let due = FIRST_LOOK;
  let looks = 0;
  let least = 1;
  let looked = 0;
  const result = async () => {
    looks++;
    looked = text.length;
    due = text.length * GROWTH;
    const detection = await look(text);
    least = Math.min(least, detection.pValue * looks * (looks + 1));
    return { ...detection, characters: looked, pValueAnytime: least };
  };
  for await (const piece of pieces) {
    text += piece;
    if (text.length >= due) yield await result();
  }
  if (looks === 0 || text.length > looked) yield await result();
}
