// Owns the second text that the training part offers: what a bicycle workshop is asked, as conversations one JSON object per line (the form in which
// chat programs export them). Made from a few tables; ours, and free for any use.

const PRICES: Readonly<Record<string, number>> = {
  'a new chain': 35,
  'a flat tyre': 18,
  'new brake pads': 24,
  'a full service': 89,
  'a wheel truing': 22,
  'a gear cable': 16,
  'a bell': 9,
  'a child seat': 120,
  'winter tyres': 74,
  'a bike wash': 15,
};
const DAYS: Readonly<Record<string, string>> = {
  Monday: 'We are closed on Mondays.',
  Tuesday: 'On Tuesday we are open from nine to six.',
  Wednesday: 'On Wednesday we are open from nine to six.',
  Thursday: 'On Thursday we are open from nine to eight.',
  Friday: 'On Friday we are open from nine to six.',
  Saturday: 'On Saturday we are open from ten to two.',
  Sunday: 'We are closed on Sundays.',
};
const DURATIONS: Readonly<Record<string, string>> = {
  'a flat tyre': 'half an hour',
  'a full service': 'two days',
  'new brake pads': 'one hour',
  'a wheel truing': 'one day',
  'a gear cable': 'forty minutes',
  'an e-bike check': 'three days',
};
const SOLD: Readonly<Record<string, string>> = {
  helmets: 'Yes, helmets hang beside the door.',
  locks: 'Yes, locks are behind the counter.',
  maps: 'No, maps are sold next door at the bookshop.',
  scooters: 'No, we only know bicycles.',
  'used bikes': 'Yes, used bikes stand in the yard.',
  'gift cards': 'Yes, gift cards start at 20 euros.',
};
const FIXED: readonly (readonly [string, string])[] = [
  ['Where are you?', 'You find us at 14 Mill Lane, behind the library.'],
  ['Do I need an appointment?', 'For small repairs just come by. For a full service please book.'],
  ['Can I pay by card?', 'Yes, by card and in cash.'],
  ['Do you repair e-bikes?', 'Yes, all but their batteries.'],
  ['Who am I talking to?', 'I am the workshop’s assistant, a very small one.'],
  ['Can you collect my bike?', 'Yes, within the town, for 12 euros.'],
  ['Thanks a lot!', 'My pleasure. Ride safely!'],
];
const ASK_PRICE = ['How much is', 'What do you charge for', 'What is the price of'];
const ASK_DAY = ['Are you open on', 'When can I come on', 'What are your hours on'];
const ASK_TIME = ['How long do you need for', 'How long does it take to do'];
const ASK_SOLD = ['Do you sell', 'Do you have'];

/** Every question with its answer: 76 of them. */
function exchanges(): (readonly [string, string])[] {
  const all: (readonly [string, string])[] = [...FIXED];
  const upper = (text: string) => text[0].toUpperCase() + text.slice(1);
  for (const [what, price] of Object.entries(PRICES)) {
    const verb = what.startsWith('a ') ? 'costs' : 'cost';
    for (const ask of ASK_PRICE) all.push([`${ask} ${what}?`, `${upper(what)} ${verb} ${price} euros.`]);
  }
  for (const [day, answer] of Object.entries(DAYS)) for (const ask of ASK_DAY) all.push([`${ask} ${day}?`, answer]);
  for (const [what, time] of Object.entries(DURATIONS)) {
    for (const ask of ASK_TIME) all.push([`${ask} ${what}?`, `We need ${time} for ${what}.`]);
  }
  for (const [what, answer] of Object.entries(SOLD)) for (const ask of ASK_SOLD) all.push([`${ask} ${what}?`, answer]);
  return all;
}

/** About 100 kB of conversations of one to three questions, always the same. */
export function workshopText(): string {
  let state = 7;
  const below = (count: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * count);
  };
  const all = exchanges();
  const lines: string[] = [];
  for (let length = 0; length < 100_000; length += lines.at(-1)!.length + 1) {
    const messages = Array.from({ length: 1 + below(3) }, () => all[below(all.length)]).flatMap(
      ([question, answer]) => [
        { role: 'user', content: question },
        { role: 'assistant', content: answer },
      ],
    );
    lines.push(JSON.stringify({ messages }));
  }
  return lines.join('\n');
}
