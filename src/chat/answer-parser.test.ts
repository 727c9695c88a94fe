import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AnswerDelta, AnswerParser, type AnswerParserOptions, type ToolCallPart } from './answer-parser.ts';
import { completeJson } from './call-reader.ts';
import type { ToolCall } from './messages.ts';

/** The whole answer, given in `pieces`. */
function parse(
  pieces: string[],
  options?: AnswerParserOptions,
): Required<Omit<AnswerDelta, 'toolCalls'>> & { toolCalls: ToolCall[] } {
  const parser = new AnswerParser(options);
  const deltas = [...pieces.map((piece) => parser.push(piece)), parser.flush()];
  return {
    reasoning: deltas.map((delta) => delta.reasoning ?? '').join(''),
    content: deltas.map((delta) => delta.content ?? '').join(''),
    toolCalls: joined(deltas.flatMap((delta) => delta.toolCalls ?? [])),
  };
}

/** Parts of calls as calls. */
function joined(parts: readonly ToolCallPart[]): ToolCall[] {
  const calls: { name: string; arguments: string }[] = [];
  for (const { index, name, arguments: text } of parts) {
    if (name !== undefined) calls[index] = { name, arguments: '' };
    calls[index].arguments += text;
  }
  return calls;
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

  const formed = { tools: true, onlyCalls: true, wellFormed: true };
  const WITH_TAG = '{"text":"</tool_call> \\" {","list":[{"a":1},"b c"]}';
  const two = [
    `<tool_call>\n{"name": "say", "arguments": { "text": "</tool_call> \\" {", "list": [{"a": 1}, "b c"] }}\n</tool_call>`,
    '<tool_call>\n{"name": "stop", "arguments": {}}\n</tool_call>',
  ].join('\n');

  test('gives well-formed calls while they are written, however they are cut', () => {
    const parser = new AnswerParser(formed);
    expect(parser.push('<tool_call>\n{"name": "say", "argum')).toEqual({});
    expect(parser.push('ents": {"te').toolCalls).toEqual([{ index: 0, name: 'say', arguments: '{"te', done: false }]);
    expect(parser.push('xt": 1').toolCalls).toEqual([{ index: 0, arguments: 'xt":1', done: false }]);
    expect(parser.push('}').toolCalls).toEqual([{ index: 0, arguments: '}', done: true }]);
    const expected = [{ name: 'say', arguments: WITH_TAG }, { name: 'stop', arguments: '{}' }]; // biome-ignore format: short
    fc.assert(
      fc.property(fc.array(fc.nat(two.length), { maxLength: 12 }), (cuts) => {
        const at = [0, ...cuts.sort((a, b) => a - b), two.length];
        const pieces = at.slice(1).map((end, i) => two.slice(at[i], end));
        expect(parse(pieces, formed)).toEqual({ reasoning: '', content: '', toolCalls: expected });
      }),
    );
  });

  test('gives well-formed calls that were cut off as far as they came, and what that means as a value', () => {
    for (let end = 0; end < two.length; end++) {
      const { content, toolCalls } = parse([two.slice(0, end)], formed);
      expect(content).toBe('');
      for (const [i, call] of toolCalls.entries()) {
        expect([WITH_TAG, '{}'][i].startsWith(call.arguments)).toBe(true);
        expect(completeJson(call.arguments)).toBeTypeOf('object');
      }
    }
    expect(completeJson('{"text":"Ri')).toEqual({ text: 'Ri' });
    expect(completeJson('{"a":[1,{"b":tr')).toEqual({ a: [1, {}] });
    expect(completeJson('{"a":"\\u00')).toEqual({ a: '' });
    expect(completeJson('')).toEqual({});
  });

  test('shows text at once that can be no tag', () => {
    const parser = new AnswerParser({ tools: true });
    expect(parser.push('a < b')).toEqual({ content: 'a < b' });
    expect(parser.push(' <tool')).toEqual({});
    expect(parser.push('s')).toEqual({ content: ' <tools' });
  });
});
