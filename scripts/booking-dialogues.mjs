// Writes made-up dialogues in which a table, a hotel room or a ride is booked: the customer names some of what is needed, the agent asks for the rest,
// one thing at a time, repeats everything and books. People are untidy; these are not, so that a very small model learns what follows from what: asking
// only for what is missing, and repeating what was said. Mixed with real dialogues they teach the thread, and the real ones the language.
//
//   node scripts/booking-dialogues.mjs -o bookings.txt --count 16000 --seed 1
import { parseArgs } from 'node:util';
import { Random } from '../dist/core/random.js';
import { MONTHS, ordinal, writeDialogues } from './dialogue-text.mjs';

const { values } = parseArgs({
  options: {
    output: { type: 'string', short: 'o' },
    count: { type: 'string', default: '16000' },
    seed: { type: 'string', default: '1' },
  },
});
if (!values.output) {
  console.error('usage: node scripts/booking-dialogues.mjs -o OUT.txt [--count 16000] [--seed 1]');
  process.exit(2);
}

const random = new Random(Number(values.seed));
const pick = (list) => list[random.below(list.length)];
const chance = (share) => random.uniform() < share;
const list = (text) => text.split(',').map((item) => item.trim());

const CITIES =
  list(`San Jose, San Francisco, Oakland, Berkeley, Palo Alto, Fremont, Napa, Santa Rosa, Petaluma, Sacramento, San Diego,
  Los Angeles, Long Beach, New York, Boston, Chicago, Seattle, Portland, Denver, Austin, Dallas, Houston, Atlanta, Miami, Phoenix, Las Vegas,
  Philadelphia, Washington, Toronto, Vancouver, Mexico City, London, Paris, Berlin, Munich, Rome, Milan, Madrid, Barcelona, Lisbon, Vienna, Prague,
  Dublin, Oslo, Sydney, Melbourne, Delhi, Tokyo, Cairo, Nairobi, Livermore, Walnut Creek, Mountain View, Sunnyvale, Campbell, Milpitas`);
const CUISINES = list(
  'Italian, Mexican, Chinese, Indian, Thai, Japanese, French, Greek, American, Korean, Spanish, Vietnamese, vegetarian, seafood',
);
const FIRST =
  list(`Golden, Blue, Green, Red, Silver, Old, Little, Royal, Happy, Sunny, Grand, Garden, River, Ocean, Mountain, Lucky, Olive, Lemon, Maple,
  Cedar, Stone, Copper, Jade, Amber, Rosa, Bella, Luna, Casa, Villa, Mario's, Anna's, Tony's, Sal's, Nina's, Gino's, Kim's, Park, Harbor, Market, Union`);
const EATING = list(
  'Kitchen, Garden, House, Grill, Table, Cafe, Bistro, Diner, Palace, Star, Dragon, Lotus, Corner, Oven, Spoon, Plate, Room, Terrace, Fork, Bar',
);
const SLEEPING = list(
  'Inn, Hotel, Suites, Lodge, House, Plaza Hotel, Park Hotel, Palace, Resort, Court, Garden Inn, Bay Inn',
);
const STREETS = list(
  'Main Street, Oak Street, Park Avenue, First Street, Mission Street, Elm Street, Lake Road, Hill Road, Market Street, Bay Street, King Street, Church Street, River Road, Mill Lane, Castro Street, Grand Avenue, Pine Street, Valley Drive',
);
const PLACES = list(
  'the airport, the train station, the museum, the city center, the stadium, the hospital, the mall, the university, the beach, the zoo, the harbor, the opera',
);
const DAYS = list('Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday');
const NUMBERS = list('one, two, three, four, five, six');

const number = (low, high) => low + random.below(high - low + 1);
/** A count as the customer says it and as the agent repeats it. */
function countOf(low, high) {
  const n = number(low, high);
  return { said: chance(0.5) ? String(n) : NUMBERS[n - 1], told: String(n) };
}
/** The word that goes with a count: one night, two nights. */
const counted = (count, one, many) => (/^(1|one)$/.test(count) ? one : many);
const same = (text) => ({ said: text, told: text });
function dateOf() {
  const roll = random.uniform();
  if (roll < 0.15) return same(pick(['tomorrow', 'today']));
  if (roll < 0.35) return same(`${pick(['next ', 'this ', ''])}${pick(DAYS)}`);
  const [month, day] = [pick(MONTHS), number(1, 28)];
  const told = `${month} ${ordinal(day)}`;
  return { said: pick([told, told, `the ${ordinal(day)} of ${month}`, `${month} ${day}`]), told };
}
function timeOf() {
  const [hour, half] = [number(1, 12), pick(['pm', 'pm', 'pm', 'am'])];
  const minute = pick(['', '', ':30', ':15', ':45']);
  const told = `${hour}${minute} ${half}`;
  return { said: minute === '' && chance(0.2) ? `${hour} o'clock ${half}` : told, told };
}
const phone = () => `${number(201, 989)}-${number(200, 999)}-${number(1000, 9999)}`;
const address = () => `${number(10, 9999)} ${pick(STREETS)}`;
/** "at" before times, "on" before days that have a number or a name. */
const onDay = (day) => (/^(today|tomorrow|next|this)/.test(day) ? day : `on ${day}`);

// Each kind: slots in the order in which they are asked for. `ask` are questions, `answer` ways to give it alone, `part` ways to say it in the first
// sentence. `summary` says everything.
const table = {
  slots: {
    restaurant: {
      make: () => same(`${pick(FIRST)} ${pick(EATING)}`),
      ask: [
        'Which restaurant would you like?',
        'Do you have a restaurant in mind?',
        'What is the name of the restaurant?',
      ],
      answer: (v) => pick([`${v}.`, `${v} please.`, `I like ${v}.`, `Let's go to ${v}.`, `I want to eat at ${v}.`]),
      part: (v) => pick([`at ${v}`, `at the ${v}`]),
    },
    city: {
      make: () => same(pick(CITIES)),
      ask: ['In which city?', 'What city are you in?', 'Which city should I look in?', 'In what city is it?'],
      answer: (v) => pick([`${v}.`, `In ${v}.`, `In ${v} please.`, `It is in ${v}.`, `I am in ${v}.`]),
      part: (v) => `in ${v}`,
    },
    people: {
      make: () => countOf(1, 6),
      ask: ['For how many people?', 'How many people will there be?', 'How many seats do you need?'],
      answer: (v) =>
        pick([`${v}.`, `${v} please.`, `For ${v}.`, `There will be ${v} of us.`, `A table for ${v}.`, `We are ${v}.`]),
      part: (v) => pick([`for ${v}`, `for ${v} people`]),
    },
    date: {
      make: dateOf,
      ask: ['For what day?', 'What date would you like?', 'On which day?', 'When would you like to go?'],
      answer: (v) =>
        pick([`${v}.`, `${onDay(v)}.`, `${v} please.`, `Make it ${v}.`, `I would like to go ${onDay(v)}.`]),
      part: onDay,
    },
    time: {
      make: timeOf,
      ask: ['At what time?', 'What time would you like?', 'For what time should I book it?'],
      answer: (v) => pick([`${v}.`, `At ${v}.`, `At ${v} please.`, `${v} would be good.`, `Around ${v}.`]),
      part: (v) => `at ${v}`,
    },
  },
  open: [
    'I want to book a table',
    'I would like to reserve a table',
    'Can you book a table',
    'I need a table',
    'Please reserve a table',
    'Book me a table',
    'I want to make a reservation',
    'Could you make a restaurant reservation',
    'I am hungry. I want a table',
  ],
  summary: (s) => `a table for ${s.people} at ${s.restaurant} in ${s.city} ${onDay(s.date)} at ${s.time}`,
  booked: ['Your table is booked.', 'Your reservation is made.', 'I have booked your table.'],
  facts: true,
};
const hotel = {
  slots: {
    city: {
      make: () => same(pick(CITIES)),
      ask: ['In which city?', 'Where would you like to stay?', 'What city are you going to?'],
      answer: (v) => pick([`${v}.`, `In ${v}.`, `In ${v} please.`, `I am going to ${v}.`]),
      part: (v) => `in ${v}`,
    },
    hotel: {
      make: () => same(`${pick(FIRST)} ${pick(SLEEPING)}`),
      ask: ['Which hotel would you like?', 'Do you have a hotel in mind?', 'What is the name of the hotel?'],
      answer: (v) => pick([`${v}.`, `The ${v}.`, `The ${v} please.`, `I like the ${v}.`]),
      part: (v) => pick([`at the ${v}`, `at ${v}`]),
    },
    rooms: {
      make: () => countOf(1, 3),
      ask: ['How many rooms do you need?', 'How many rooms?'],
      answer: (v) => pick([`${v}.`, `${v} please.`, `I need ${v}.`, `Just ${v}.`]),
      part: undefined,
    },
    date: {
      make: dateOf,
      ask: ['When do you check in?', 'From what day?', 'What is your check-in date?'],
      answer: (v) => pick([`${v}.`, `${onDay(v)}.`, `${v} please.`, `From ${v}.`, `I arrive ${onDay(v)}.`]),
      part: (v) => `from ${v}`,
    },
    nights: {
      make: () => countOf(1, 6),
      ask: ['How many nights will you stay?', 'For how many nights?', 'How long will you stay?'],
      answer: (v) =>
        pick([`${v}.`, `${v} ${counted(v, 'night', 'nights')}.`, `For ${v} ${counted(v, 'night', 'nights')}.`]),
      part: (v) => `for ${v} ${counted(v, 'night', 'nights')}`,
    },
  },
  open: [
    'I want to book a hotel room',
    'I need a hotel room',
    'I need a room',
    'Can you book a hotel',
    'Please book a room',
    'I am looking for a hotel',
    'I would like to reserve a hotel room',
    'Find me a hotel',
  ],
  summary: (s) =>
    `${s.rooms} ${counted(s.rooms, 'room', 'rooms')} at the ${s.hotel} in ${s.city} from ${s.date} for ${s.nights} ${counted(s.nights, 'night', 'nights')}`,
  booked: ['Your room is booked.', 'Your reservation is made.', 'I have booked it for you.'],
  facts: true,
};
const taxi = {
  slots: {
    to: {
      make: () => same(chance(0.4) ? pick(PLACES) : address()),
      ask: ['Where are you going?', 'Where would you like to go?', 'What is your destination?'],
      answer: (v) => pick([`${v}.`, `To ${v}.`, `To ${v} please.`, `I am going to ${v}.`, `I need to get to ${v}.`]),
      part: (v) => `to ${v}`,
    },
    people: {
      make: () => countOf(1, 4),
      ask: ['For how many people?', 'How many passengers?', 'How many of you are there?'],
      answer: (v) =>
        /^(1|one)$/.test(v)
          ? pick(['Just me.', 'One.', 'Only me.', '1.'])
          : pick([`${v}.`, `There are ${v} of us.`, `For ${v}.`, `${v} people.`, `We are ${v}.`]),
      part: (v) => pick([`for ${v}`, `for ${v} ${counted(v, 'person', 'people')}`]),
    },
    kind: {
      make: () => same(pick(['regular', 'shared', 'luxury'])),
      ask: [
        'Would you like a regular, shared or luxury ride?',
        'What kind of ride: regular, shared or luxury?',
        'What type of ride would you like?',
      ],
      answer: (v) => pick([`${v}.`, `A ${v} ride.`, `A ${v} ride please.`, `${v} please.`, `Make it a ${v} one.`]),
      part: undefined,
    },
    time: {
      make: () => (chance(0.4) ? same(pick(['now', 'right now'])) : timeOf()),
      ask: ['When do you need it?', 'At what time?', 'When should it pick you up?'],
      answer: (v) =>
        /now/.test(v) ? pick(['Now.', 'Right now.', 'Now please.']) : pick([`At ${v}.`, `${v}.`, `${v} please.`]),
      part: (v) => (/now/.test(v) ? v : `at ${v}`),
    },
  },
  open: [
    'I need a taxi',
    'I need a cab',
    'Can you get me a taxi',
    'Please book a taxi',
    'I want to book a ride',
    'Call me a cab',
    'I need a ride',
    'Book a cab',
    'Get me a cab',
  ],
  summary: (s) =>
    `a ${s.kind} ride to ${s.to} for ${s.people} ${counted(s.people, 'person', 'people')} ${/now/.test(s.time) ? 'now' : `at ${s.time}`}`,
  booked: ['Your ride is on its way.', 'Your taxi is booked.', 'Your ride is booked.'],
  facts: false,
};

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function dialogue() {
  const kind = pick([table, hotel, taxi]);
  const lines = [];
  const user = (text) => lines.push(`User: ${sentence(text)}`);
  const agent = (text) => lines.push(`Agent: ${text}`);
  const slots = Object.fromEntries(Object.entries(kind.slots).map(([name, slot]) => [name, slot.make()]));
  const names = Object.keys(slots);
  const share = pick([0, 0.3, 0.5, 0.8]);
  const given = new Set(names.filter((name) => kind.slots[name].part && chance(share)));
  // A cuisine is no restaurant: the agent proposes one.
  const cuisine = kind === table && !given.has('restaurant') && chance(0.4) ? pick(CUISINES) : undefined;

  if (chance(0.15)) {
    user(pick(['Hi', 'Hello', 'Hi there', 'Good morning', 'Hey']) + pick(['.', '!', ', can you help me?']));
    agent(pick(['Hello! How can I help you?', 'Hi, what can I do for you?', 'How may I help you?']));
  }
  const parts = [...given].map((name) => kind.slots[name].part(slots[name].said));
  if (chance(0.4)) parts.sort(() => random.uniform() - 0.5);
  let opening = pick(kind.open);
  if (cuisine) parts.unshift(`at ${/^[aeiouAEIOU]/.test(cuisine) ? 'an' : 'a'} ${cuisine} restaurant`);
  if (parts.length > 0) opening += ` ${parts.join(' ')}`;
  user(`${opening}${/^(Can|Could)/.test(opening) ? '?' : pick(['.', '.', ' please.'])}`);

  for (const name of names) {
    if (given.has(name)) continue;
    const { said, told } = slots[name];
    const proposes =
      ((name === 'restaurant' && (cuisine || chance(0.3))) || (name === 'hotel' && chance(0.5))) && given.has('city');
    if (name === 'restaurant' && !given.has('city') && cuisine) {
      agent(pick(kind.slots.city.ask));
      user(kind.slots.city.answer(slots.city.said));
      given.add('city');
    }
    if (proposes || (name === 'restaurant' && cuisine)) {
      const what = name === 'hotel' ? 'hotel' : cuisine ? `${cuisine} restaurant` : 'restaurant';
      agent(
        pick([
          `${told} is a nice ${what} in ${slots.city.told}. Would you like that?`,
          `There is ${told}, a good ${what} in ${slots.city.told}. Is that fine?`,
          `How about ${told} in ${slots.city.told}?`,
        ]),
      );
      user(pick(['Yes.', 'Yes please.', 'That sounds good.', 'Sounds great.', 'Okay.', 'Perfect.', 'Fine.']));
    } else {
      agent(pick(kind.slots[name].ask));
      user(kind.slots[name].answer(said));
    }
    given.add(name);
  }

  const told = () => Object.fromEntries(names.map((name) => [name, slots[name].told]));
  const confirm = () =>
    agent(
      pick([
        `Please confirm: ${kind.summary(told())}.`,
        `So that is ${kind.summary(told())}. Is that right?`,
        `I will book ${kind.summary(told())}. Is that correct?`,
      ]),
    );
  confirm();
  if (chance(0.2)) {
    const changed = pick(names.filter((name) => !['restaurant', 'hotel'].includes(name)));
    slots[changed] = kind.slots[changed].make();
    user(
      pick([
        `No, ${kind.slots[changed].answer(slots[changed].said)}`,
        `Sorry, ${kind.slots[changed].answer(slots[changed].said)}`,
      ]),
    );
    confirm();
  }
  user(
    pick([
      'Yes.',
      'Yes please.',
      'Yes, that is right.',
      'That is correct.',
      'Yes, book it.',
      'Right.',
      'Sure.',
      'Yes, thank you.',
      'Correct.',
    ]),
  );
  agent(
    `${pick(kind.booked)}${chance(0.5) ? pick([' Anything else?', ' Is there anything else I can help you with?']) : ''}`,
  );
  const facts = { address: address(), phone: phone() };
  for (const fact of kind.facts ? ['address', 'phone'] : []) {
    if (!chance(0.3)) continue;
    user(
      fact === 'address'
        ? pick(['What is the address?', 'Where is it?', 'Can you give me the address?'])
        : pick(['What is their phone number?', 'What is the phone number?', 'Can I have their number?']),
    );
    agent(
      fact === 'address'
        ? pick([`The address is ${facts.address}.`, `It is at ${facts.address}.`])
        : pick([`Their phone number is ${facts.phone}.`, `The number is ${facts.phone}.`]),
    );
  }
  user(
    pick([
      'Thanks.',
      'Thank you.',
      'Thanks, bye.',
      'No, that is all. Thanks.',
      'That is all, thank you.',
      'Thank you very much.',
      'Great, thanks.',
    ]),
  );
  agent(
    pick(['You are welcome. Have a nice day!', 'Have a great day!', 'You are welcome!', 'Enjoy your day.', 'Goodbye!']),
  );
  return lines.join('\n');
}

await writeDialogues(values.output, Array.from({ length: Number(values.count) }, dialogue));
