// Owns the text that the training part offers: short dialogues about colours, animals and numbers, made from a few patterns, so that a model of some
// hundred thousand weights learns them in minutes. Ours, and free for any use.

const COLOURS: Readonly<Record<string, string>> = {
  sky: 'blue',
  grass: 'green',
  snow: 'white',
  coal: 'black',
  'a lemon': 'yellow',
  'a tomato': 'red',
  'an orange': 'orange',
  'a plum': 'purple',
  chocolate: 'brown',
  'a cloud': 'white',
};
const SOUNDS: Readonly<Record<string, string>> = {
  dog: 'woof',
  cat: 'meow',
  cow: 'moo',
  sheep: 'baa',
  duck: 'quack',
  bee: 'buzz',
  owl: 'hoot',
  frog: 'croak',
  lion: 'roar',
  mouse: 'squeak',
};
const NUMBERS = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten'];
const NAMES = ['Ada', 'Alan', 'Grace', 'Emmy', 'Karl', 'Leo', 'Mary', 'Otto'];
const GREETINGS = ['Hello', 'Hi', 'Good morning', 'Good evening', 'Hey'];

/** About 100 kB of dialogues, always the same. */
export function exampleText(): string {
  let state = 1;
  const below = (count: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * count);
  };
  const one = <T>(items: readonly T[]): T => items[below(items.length)];
  const article = (noun: string) => (noun.startsWith('a') && noun.includes(' ') ? noun : `the ${noun}`);
  const exchanges: (() => [string, string])[] = [
    () => {
      const thing = one(Object.keys(COLOURS));
      const name = COLOURS[thing];
      const subject = thing === 'snow' || thing === 'coal' || thing === 'chocolate' ? thing : article(thing);
      return [`What colour is ${subject}?`, `${subject[0].toUpperCase()}${subject.slice(1)} is ${name}.`];
    },
    () => {
      const animal = one(Object.keys(SOUNDS));
      return [`What does the ${animal} say?`, `The ${animal} says ${SOUNDS[animal]}.`];
    },
    () => {
      const at = below(9);
      return [`What comes after ${NUMBERS[at]}?`, `After ${NUMBERS[at]} comes ${NUMBERS[at + 1]}.`];
    },
    () => {
      const at = 1 + below(9);
      return [`What comes before ${NUMBERS[at]}?`, `Before ${NUMBERS[at]} comes ${NUMBERS[at - 1]}.`];
    },
    () => {
      const name = one(NAMES);
      const greeting = one(GREETINGS);
      return [`${greeting}, I am ${name}.`, `${greeting}, ${name}! What would you like to know?`];
    },
    () => ['Thank you!', 'You are welcome.'],
  ];
  const dialogues: string[] = [];
  for (let length = 0; length < 100_000; ) {
    const lines: string[] = [];
    for (let turns = 1 + below(4); turns > 0; turns--) {
      const [question, answer] = one(exchanges)();
      lines.push(`User: ${question}`, `Agent: ${answer}`);
    }
    dialogues.push(lines.join('\n'));
    length += lines.join('\n').length + 2;
  }
  return dialogues.join('\n\n');
}
