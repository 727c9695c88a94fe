import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { StopScanner } from './stop.ts';

function scan(stops: string[], pieces: string[]): { shown: string[]; matched?: string } {
  const scanner = new StopScanner(stops);
  const shown = pieces.map((piece) => scanner.push(piece));
  return { shown: [...shown, scanner.flush()], matched: scanner.matched };
}

describe('StopScanner', () => {
  test('finds a stop string that arrives in pieces and shows nothing of it', () => {
    expect(scan(['END'], ['abc E', 'N', 'D def', 'x'])).toEqual({ shown: ['abc ', '', '', '', ''], matched: 'END' });
  });
  test('shows what was held back once it cannot become a stop string', () => {
    expect(scan(['END'], ['abc E', 'N', 'X'])).toEqual({ shown: ['abc ', '', 'ENX', ''], matched: undefined });
  });
  test('gives back what was held at the end of the text', () => {
    expect(scan(['END'], ['abc EN']).shown.join('')).toBe('abc EN');
  });
  test('takes the first of several', () => {
    expect(scan(['b', 'abc'], ['xabcd'])).toEqual({ shown: ['x', ''], matched: 'abc' });
    expect(scan(['cd', 'b'], ['abcd'])).toEqual({ shown: ['a', ''], matched: 'b' });
  });
  test('however a text is cut, shows exactly what lies before the first stop string', () => {
    fc.assert(
      fc.property(
        fc.array(fc.stringMatching(/^[ab]{0,4}$/), { maxLength: 8 }),
        fc.stringMatching(/^[ab]{1,4}$/),
        (pieces, stop) => {
          const text = pieces.join('');
          const at = text.indexOf(stop);
          expect(scan([stop], pieces).shown.join('')).toBe(at < 0 ? text : text.slice(0, at));
        },
      ),
    );
  });
});
