// What is asked of tables of characters: few places, and few looks at them, whatever the pattern and however many names it leaves out.
import { expect, test } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { accepts, without } from '../../src/structured/automaton.ts';
import { tableOf } from '../../src/structured/characters.ts';
import { searchInJson } from '../../src/structured/pattern.ts';
import { SafeCharacters } from '../../src/structured/safe-characters.ts';
import { finish, Meter } from '../../src/structured/work.ts';

const seed = Number(process.env.STRUCTURED_SEED ?? Math.floor(Math.random() * 2 ** 31));
const read = (source: string) => finish(searchInJson(source, new Meter()));

test('behind one of several words found anywhere, it is the same whatever of another is begun', () => {
  const { places } = finish(tableOf(read('^dev|alpha|beta|rc|RC|stable$'), new Meter()));
  // One for each letter that is begun, one behind the words, one after `stable`: kept apart, they were 484.
  expect(places.filter(({ isBoundary }) => isBoundary).length).toBeLessThanOrEqual(20);
});

test(`patterns of like ends accept what JavaScript does (seed ${seed})`, () => {
  const random = new Random(seed);
  const word = () => Array.from({ length: 1 + random.below(3) }, () => 'abé'[random.below(3)]).join('');
  for (let round = 0; round < 200; round++) {
    const words = Array.from({ length: 1 + random.below(4) }, () => {
      const [begin, end] = [random.below(4) === 0 ? '^' : '', random.below(4) === 0 ? '$' : ''];
      return `${begin}${word()}${random.below(3) === 0 ? '[ab]+' : ''}${end}`;
    });
    const [source, automaton] = [words.join('|'), read(words.join('|'))];
    const pattern = new RegExp(source, 'u');
    for (let i = 0; i < 40; i++) {
      const text = Array.from({ length: random.below(7) }, () => 'abéc'[random.below(4)]).join('');
      expect(accepts(automaton, text), `${source} on ${JSON.stringify(text)}`).toBe(pattern.test(text));
    }
  }
});

test('before many names that are left out, few places are looked at', () => {
  const first = (i: number) => String.fromCharCode(0x21 + i, 0x61 + (i % 26));
  const names = Array.from({ length: 90 }, (_, i) => (/[\w ]/.test(first(i)[0]) ? `${first(i)}name${i}` : '')).filter(
    Boolean,
  );
  const table = finish(tableOf(finish(without(read(''), read(`^(?:${names.join('|')})$`), new Meter())), new Meter()));
  const looked = new Set<number>();
  const row = table.row.bind(table);
  table.row = (place: number) => {
    if (table.places[place].isBoundary) looked.add(place);
    return row(place);
  };
  SafeCharacters.of(table).from(0);
  expect(names.length).toBeGreaterThan(50);
  expect(looked.size).toBeLessThanOrEqual(40);
});
