// Owns `loop`, by which a template knows where in a loop it is.
import { Callable, type LoopValue, scanTexts, type Value } from './values.ts';
import { TemplateError } from './work.ts';

export class LoopOver implements LoopValue {
  readonly isLoop = true;
  /** Of the current element, from 0. */
  index = 0;
  private readonly items: readonly Value[];
  private readonly depth: number;
  private readonly again: ((value: Value) => Value) | undefined;
  private last: readonly Value[] | undefined;

  /** @param again goes through other elements in the same way, for loops that are `recursive` */
  constructor(items: readonly Value[], depth: number, again: ((value: Value) => Value) | undefined) {
    this.items = items;
    this.depth = depth;
    this.again = again;
  }

  readonly attribute = (name: string): Value => {
    const { index, items, depth } = this;
    switch (name) {
      case 'index':
        return index + 1;
      case 'index0':
        return index;
      case 'revindex':
        return items.length - index;
      case 'revindex0':
        return items.length - index - 1;
      case 'first':
        return index === 0;
      case 'last':
        return index === items.length - 1;
      case 'length':
        return items.length;
      case 'previtem':
        return items[index - 1];
      case 'nextitem':
        return items[index + 1];
      case 'depth':
        return depth;
      case 'depth0':
        return depth - 1;
      case 'cycle':
        return new Callable('cycle', ({ list }) => list[index % list.length]);
      case 'changed':
        return new Callable('changed', ({ list }, work) => {
          scanTexts(list, work);
          const same = this.last?.length === list.length && list.every((value, i) => value === this.last?.[i]);
          this.last = list;
          return !same;
        });
      default:
        return undefined;
    }
  };

  /** `loop(elements)`. @throws TemplateError where the loop is not recursive */
  readonly call = (value: Value): Value => {
    if (!this.again) throw new TemplateError("only a loop marked 'recursive' can be called");
    return this.again(value);
  };
}
