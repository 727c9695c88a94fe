import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AnswerDelta, AnswerParser, type AnswerParserOptions } from './answer-parser.ts';

/** The whole answer, given in `pieces`. */
function parse(pieces: string[], options?: AnswerParserOptions): Required<AnswerDelta> {
  const parser = new AnswerParser(options);
  const deltas = [...pieces.map((piece) => parser.push(piece)), parser.flush()];
  return {
    reasoning: deltas.map((delta) => delta.reasoning ?? '').join(''),
    content: deltas.map((delta) => delta.content ?? '').join(''),
    toolCalls: deltas.flatMap((delta) => delta.toolCalls ?? []),
  };
}

const CALL = '<tool_call>\n{"name": "weather", "arguments": {"city": "Riga"}}\n</tool_call>';
const whole = `<think>\nRiga </thin\n</think>\n\nLet me look.\n${CALL}\n<tool_call>\n{"name":"time"}\n</tool_call>`;

describe('AnswerParser', () => {
  test('takes thoughts, text and calls apart', () => {
    expect(parse([whole], { tools: true })).toEqual({
      reasoning: 'Riga </thin',
      content: 'Let me look.',
      toolCalls: [
        { name: 'weather', arguments: '{"city":"Riga"}' },
        { name: 'time', arguments: '{}' },
      ],
    });
  });

  test('does the same however the text is cut', () => {
    const expected = parse([whole], { tools: true });
    fc.assert(
      fc.property(fc.array(fc.nat(whole.length), { maxLength: 12 }), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), whole.length];
        const pieces = at.slice(1).map((end, i) => whole.slice(at[i], end));
        expect(parse(pieces, { tools: true })).toEqual(expected);
      }),
    );
  });

  test('begins in thoughts where the prompt did', () => {
    expect(parse(['hm', '</think>', '\n\nYes'], { startsInReasoning: true })).toMatchObject({
      reasoning: 'hm',
      content: 'Yes',
    });
  });

  test('leaves calls alone without tools, and thoughts in the middle always', () => {
    expect(parse([CALL]).content).toBe(CALL);
    expect(parse(['a <think>b</think>'], { tools: true }).content).toBe('a <think>b</think>');
  });

  test.each([
    ['no JSON', '<tool_call>weather()</tool_call>'],
    ['JSON without a name', '<tool_call>{"arguments":{}}</tool_call>'],
    ['cut off', '<tool_call>{"name":"weather"'],
  ])('gives a call that is none as text: %s', (_, text) => {
    expect(parse([text], { tools: true })).toEqual({ reasoning: '', content: text, toolCalls: [] });
  });

  test('shows text at once that can be no tag', () => {
    const parser = new AnswerParser({ tools: true });
    expect(parser.push('a < b')).toEqual({ content: 'a < b' });
    expect(parser.push(' <tool')).toEqual({});
    expect(parser.push('s')).toEqual({ content: ' <tools' });
  });
});
