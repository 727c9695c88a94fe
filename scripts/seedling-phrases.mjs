// Owns the words of made-up bookings: for each kind (table, stay, ride) what is needed, how people say it, and the one way in which the agent repeats it.
// `{v}` stands for the value. Must not know how a dialogue goes.
const choices = (text) => text.split('|').map((item) => item.trim());

/** "at" goes before times and "on" before days, unless the value says it itself. */
export const onDay = (day) =>
  /^(today|tomorrow|tonight|next|this|the day after|in |a week)/i.test(day) ? day : `on ${day}`;
export const atTime = (time) => (/^(now|right now|as soon as possible|immediately)$/i.test(time) ? time : `at ${time}`);
/** A number of things; what already says its thing ("a double room", "two adults and a child") stays as it is. */
const counted = (count, one, many) =>
  /^[\w-]*$/.test(count) ? `${count} ${/^(1|one)$/i.test(count) ? one : many}` : count;
export const people = (count) => counted(count, 'person', 'people');
const part = (value, text) => (value === undefined ? '' : ` ${text}`);

const DATE = {
  make: (values) => values.date(),
  ask: 'On what day?',
  label: choices('date|day'),
  answer: choices(
    '{v}|{v}|{on}|{on}|{v} please|Make it {v}|We would like to come {on}|{on} please|It is {on}|{v} would be good|I think {v}|Let us say {v}',
  ),
  part: choices('{on}|{v}'),
  fragment: choices('{v}|{on}'),
  instead: choices('we are coming {on}|I would like to come {on}|we can only come {on}|it is {on}'),
};
const TIME = {
  make: (values) => values.time(),
  ask: 'At what time?',
  label: choices('time'),
  answer: choices(
    '{v}|{v}|At {v}|At {v}|At {v} please|{v} please|{v} would be good|Around {v}|Let us say {v}|{v} works|About {v}|Make it {v}|I think {v}|We can be there at {v}|{v} if possible',
  ),
  part: choices('at {v}|at {v}|{v}|{v}|around {v}|for {v}'),
  fragment: choices('{v}|at {v}'),
  instead: choices('we will be there at {v}|I can only come at {v}|it is at {v}|we are coming at {v}'),
};
const PEOPLE = {
  make: (values) => values.party(),
  ask: 'For how many people?',
  label: choices('number of people|party size|number of guests'),
  answer: choices(
    '{v}|{v}|{n}|For {v}|For {n}|{v} please|There will be {v} of us|We are {v}|{v} of us|{n} please|A party of {v}|It is for {v}|We will be {v}|for {v} please',
  ),
  part: choices(
    'for {v}|for {v}|for {v}|for {n}|for {n}|for a party of {v}|{n}|{n}|party of {v}|{v} of us|for the {v} of us|we are {v}|{v} ppl|{v} persons|{v} guests|there are {v} of us|there will be {v} of us|for a group of {v}',
  ),
  fragment: choices('{n}|for {n}|{n}|for {v}|{v}'),
  instead: choices(
    'we are {v}|we are {n}|we will be {v}|there will be {v} of us|it is for {v}|there are {v} of us|{n} are coming|we are {v} now',
  ),
};
const CITY = {
  make: (values) => values.city(),
  ask: 'In which city?',
  label: choices('city|town'),
  answer: choices(
    '{v}|{v}|In {v}|In {v}|In {v} please|{v} please|It is in {v}|I am in {v}|The city is {v}|I am going to {v}|{v}, please|That is in {v}|The one in {v}|We are in {v}',
  ),
  part: choices('in {v}'),
  fragment: choices('in {v}'),
  instead: choices('it is in {v}|the one in {v}|I meant the one in {v}|we are in {v}'),
};
const PERSON = {
  make: (values) => values.person(),
  label: choices('name of the guest|name for the booking'),
  part: choices('under the name {v}|under the name of {v}|in the name of {v}|my name is {v}|name: {v}'),
  fragment: choices('under the name {v}|in the name of {v}'),
  instead: choices('my name is {v}|the name is {v}|it is under {v}'),
};

/** Slots in the order in which the agent asks; those without `ask` are only repeated where someone names them. */
export const KINDS = {
  table: {
    slots: {
      restaurant: {
        make: (values) => values.restaurant(),
        ask: 'At which restaurant?',
        label: choices('restaurant|name of the restaurant|place'),
        answer: choices(
          '{v}|{v}|At {v}|{v} please|{v}, please|I would like {v}|Let us go to {v}|It is called {v}|The restaurant is {v}|The name is {v}|I was thinking of {v}|How about {v}|We want to eat at {v}|The restaurant is called {v}|I want to go to {v}|{v} if they have room|Try {v}',
        ),
        part: choices('at {v}|at {v}|at {v}'),
        fragment: choices('at {v}|{v}|{v}'),
        instead: choices(
          'it is called {v}|the restaurant is {v}|I would like {v}|let us go to {v}|we want to eat at {v}',
        ),
      },
      city: CITY,
      people: PEOPLE,
      date: DATE,
      time: TIME,
      name: PERSON,
    },
    things: choices(
      'a table|a table|a table|a restaurant table|a reservation|a restaurant reservation|seats|a dinner table|a table for dinner|a table for lunch|a spot',
    ),
    terse: choices(
      'table|table|a table|dinner|lunch|reservation|restaurant|restaurant booking|table booking|brunch|dinner table',
    ),
    whole: choices(
      'I am hungry. I want a table|I want to make a reservation|I would like to make a reservation|We would like to make a booking|I need to make a reservation|I want to make a booking|We want to eat|I would like to dine|We are going out to eat|We want to go out for dinner|I want to eat out|We want to have dinner|I would like to have lunch|We would like to eat|I want to go for dinner|Can we eat',
    ),
    state: (s) =>
      `A table${part(s.restaurant, `at ${s.restaurant}`)}${part(s.city, `in ${s.city}`)}${part(s.people, `for ${people(s.people ?? '')}`)}${part(s.name, `under the name ${s.name}`)}${part(s.date, onDay(s.date ?? ''))}${part(s.time, atTime(s.time ?? ''))}`,
    booked: 'Your table is booked. Enjoy your meal!',
    named: 'restaurant',
    unknown: choices(
      'Can you recommend a restaurant|Find me a good restaurant|Which restaurants are there|I am looking for a good Italian restaurant|Where can I eat well|I want Chinese food|Suggest a nice place to eat|What is a good vegetarian restaurant|Find me a cheap Mexican restaurant|Do you know a good place for dinner|Any good sushi',
    ),
  },
  stay: {
    slots: {
      city: CITY,
      hotel: {
        make: (values) => values.hotel(),
        ask: 'At which hotel?',
        label: choices('hotel|name of the hotel'),
        answer: choices(
          '{v}|{v}|At {v}|{v} please|I would like {v}|I like {v}|It is called {v}|The hotel is {v}|I want to stay at {v}|The name is {v}|{v}, please|Let us take {v}',
        ),
        part: choices('at {v}'),
        fragment: choices('at {v}|{v}|{v}'),
        instead: choices('it is called {v}|the hotel is {v}|I would like {v}|I want to stay at {v}'),
      },
      rooms: {
        make: (values) => values.rooms(),
        ask: 'How many rooms?',
        label: choices('number of rooms'),
        answer: choices('{v}|{v}|{r}|{r}|{v} please|{r} please|I need {v}|Just {v}|We need {r}|{r} would be enough'),
        part: choices('{r}|with {r}|in {r}'),
        fragment: choices('{r}'),
        instead: choices('I need {r}|we need {r}|we want {r}|{r} are enough|it is {r}'),
        first: choices('{r}|{r}|{r}|{v} hotel {rr}'),
      },
      date: {
        ...DATE,
        ask: 'From what day?',
        label: choices('check-in date|date|arrival'),
        answer: choices(
          '{v}|{v}|From {v}|From {v}|{on}|{v} please|I arrive {on}|We arrive {on}|I check in {on}|Starting {v}|From {v} please|{on} please',
        ),
        part: choices('from {v}|from {v}|starting {v}|{on}|checking in {on}|arriving {on}'),
        fragment: choices('from {v}|{v}|{on}'),
        instead: choices('we arrive {on}|I arrive {on}|I check in {on}|it is from {v}'),
      },
      nights: {
        make: (values) => values.count(1, 7),
        ask: 'For how many nights?',
        label: choices('number of nights'),
        answer: choices('{v}|{v}|{t}|{t}|For {t}|For {t} please|{t} please|I will stay {t}|We stay for {t}|{v} please'),
        part: choices('for {t}|for {t}|{t}'),
        fragment: choices('{t}|for {t}'),
        instead: choices('we stay {t}|I will stay {t}|we stay for {t}|it is {t}'),
        first: choices('{t}'),
      },
      until: {
        make: (values) => values.date(),
        ask: 'For how many nights?',
        label: choices('check-out date|departure'),
        answer: choices(
          'Until {v}|Until {v}|To {v}|Till {v}|We leave {on}|I leave {on}|I check out {on}|Until {v} please',
        ),
        part: choices('until {v}|to {v}|till {v}|leaving {on}|checking out {on}'),
        fragment: choices('until {v}|to {v}'),
        instead: choices('we leave {on}|I check out {on}|we stay until {v}'),
      },
      guests: {
        make: (values) => values.count(1, 6),
        label: choices('number of guests'),
        part: choices('for {g}|{g}|for {g}'),
        fragment: choices('{g}|for {g}'),
      },
      name: PERSON,
    },
    things: choices('a hotel room|a room|a hotel|a hotel room|a stay|accommodation|a place to stay|a room in a hotel'),
    terse: choices('hotel|room|a room|hotel room|hotel booking|stay|a stay|accommodation|room booking'),
    whole: choices(
      'I am looking for somewhere to stay|I am going on a trip and need a hotel|We want to stay|I want to stay|I want to make a hotel reservation|I would like to make a booking for a room|I need to sleep somewhere|We are visiting and need a room|We are travelling and need a room|I would like to stay',
    ),
    state: (s) =>
      `A stay${part(s.hotel, `at ${s.hotel}`)}${part(s.city, `in ${s.city}`)}${part(s.guests, `for ${counted(s.guests ?? '', 'guest', 'guests')}`)}${part(s.name, `under the name ${s.name}`)}${part(s.rooms, `in ${counted(s.rooms ?? '', 'room', 'rooms')}`)}${part(s.date, `from ${s.date}`)}${part(s.until, `to ${s.until}`)}${part(s.nights, `for ${counted(s.nights ?? '', 'night', 'nights')}`)}`,
    booked: 'Your stay is booked. Have a good time!',
    named: 'hotel',
    unknown: choices(
      'Can you recommend a hotel|Find me a good hotel|Which hotels are there|I am looking for a cheap hotel|Suggest a nice hotel|What is a good hotel|Find me a hotel with a pool|Do you know a quiet hotel|Show me hotels',
    ),
  },
  ride: {
    slots: {
      to: {
        make: (values) => values.place(),
        ask: 'Where to?',
        label: choices('destination'),
        answer: choices(
          '{v}|{v}|To {v}|To {v}|To {v} please|{v} please|I am going to {v}|I need to get to {v}|The destination is {v}|We are going to {v}|I want to go to {v}|Take me to {v}',
        ),
        part: choices('to {v}|to {v}|going to {v}'),
        fragment: choices('to {v}|to {v}|{v}'),
        instead: choices('we are going to {v}|I want to go to {v}|I need to get to {v}|take me to {v}'),
      },
      people: PEOPLE,
      kind: {
        make: (values) =>
          values.pick(['regular', 'shared', 'luxury', 'regular', 'shared', 'luxury', 'standard', 'private', 'normal']),
        ask: 'Would you like a regular, shared or luxury ride?',
        label: choices('type of ride|kind of ride|kind of car'),
        answer: choices(
          '{v}|{v}|A {v} ride|A {v} ride please|{v} please|A {v} one|Make it {v}|I would like a {v} ride|{v} is fine',
        ),
        part: choices('a {v} one|a {v} ride|{v}'),
        fragment: choices('a {v} ride|a {v} one|{v}'),
        instead: choices('I want a {v} one|I would like a {v} ride|{v} is better'),
        first: choices('a {v} taxi|a {v} cab|a {v} ride|a {v} car|{v} taxi|{v} ride'),
      },
      time: {
        ...TIME,
        make: (values) =>
          values.chance(0.2) ? values.pick(['now', 'right now', 'as soon as possible']) : values.time(),
        answer: choices('{v}|{at}|{at}|{at} please|{v} please|{v}|Pick me up {at}|I need it {at}|{at} if possible'),
        part: choices('{at}|{at}|{v}'),
        fragment: choices('{v}|{at}'),
        instead: choices('pick me up {at}|I need it {at}|we leave {at}'),
      },
      from: {
        make: (values) => values.place(),
        label: choices('pick-up place|starting point|pick-up address'),
        part: choices('from {v}|from {v}|starting from {v}|pick me up at {v}'),
        fragment: choices('from {v}'),
        instead: choices('I start from {v}|pick me up at {v}|we are at {v}'),
      },
      date: { ...DATE, ask: undefined },
    },
    things: choices('a taxi|a taxi|a cab|a ride|a car|a taxi ride|a lift|a cab ride|transport|a driver'),
    terse: choices('taxi|cab|ride|a taxi|a cab|car|taxi booking|taxi ride'),
    whole: choices(
      'I have to travel|I need to go|We need to get|I want to go|Take me|Take us|Drive me|Can you pick me up and bring me|We need a lift|Can you take us|I need someone to drive me|I am travelling',
    ),
    state: (s) =>
      `A ${s.kind ? `${s.kind} ` : ''}ride${part(s.from, `from ${s.from}`)}${part(s.to, `to ${s.to}`)}${part(s.people, `for ${people(s.people ?? '')}`)}${part(s.date, onDay(s.date ?? ''))}${part(s.time, atTime(s.time ?? ''))}`,
    booked: 'Your ride is booked. Have a good trip!',
    named: 'place',
  },
};

/** The phrase with the value in it. */
export function fill(phrase, value) {
  const forms = {
    v: value,
    on: onDay(value),
    at: atTime(value),
    n: people(value),
    r: counted(value, 'room', 'rooms'),
    rr: counted(value, 'room', 'rooms').split(' ').at(-1),
    t: counted(value, 'night', 'nights'),
    g: counted(value, 'guest', 'guests'),
  };
  // "a party of two adults and a child", "a double room hotel rooms" say nothing.
  const whole =
    /\s/.test(value) && /\{rr\}|\{v\} (of us|ppl|persons|guests)|party of \{v\}/.test(phrase) ? '{v}' : phrase;
  return whole.replace(/\{(\w+)\}/g, (_, form) => forms[form]);
}

/** How a request begins; the ones of `asking` are questions. */
export const REQUESTS = {
  telling: choices(
    'I want to book|I want to book|I would like to book|I would like to reserve|Please book|Book|Book me|Reserve|I need|We need|Get me|I am looking for|We would like|I want|Please get me|Please reserve|I would like|We want to book|Hi, I need|Hello, I want to book|Hi, I would like|I need to book|I wish to reserve|Help me book|I would love|Please arrange|Arrange|Order|I am after|I was hoping to book|I was hoping for|Put me down for|Put us down for|Looking for|Looking to book|Need|Want|Could do with|I am hoping to get|Sort me out with|We are looking for|We are after|I have to book|I am writing to book|I am calling to book|Let us have|Let us book|Make me a booking for|Go ahead and book|Try to get me|We need to reserve|Do me a favour and book|Would like|pls book|can u get me|I wanna book|we need to get|Hi there, we need|hey, I need|Good evening, I would like|My wife and I would like|My boss needs|My parents want|A friend and I need',
  ),
  asking: choices(
    'Can you book|Could you book|Can I get|Could I have|Can you get us|Can I book|Could you reserve|May I book|Is it possible to book|Would you book|Can you find me|Can we get|Hello, can you book|Will you book|Can I reserve|Could you get me|Do you have|Do they have|Is there|Any chance of|Would it be possible to get|Could you arrange|Would you mind booking|Could you please book|Can you please reserve|Can you sort out|Can I still get|Is it possible to get|Can we still have|May we have|Could we have|Can you help me book|Could you check for',
  ),
};

/** Ways to take something back. `{f}` is the new value as a fragment, `{s}` in a sentence, `{v}` the new value, `{o}` the old one, `{l}` what it is called. */
export const CORRECTIONS = {
  fragment: choices(
    'No, {f}|No, make it {f}|No, {f} please|Make it {f}|Sorry, {f}|Sorry, I meant {f}|I meant {f}|Actually, {f}|Actually make it {f}|Oh wait, {f}|Wait, {f}|Change it to {f}|Can you change it to {f}?|{f} instead|{f} would be better|No wait, {f}|Oh no, I meant {f}|Hmm, rather {f}|Better {f}|no sorry {f}|Please make it {f}|Could you make it {f}?|I made a mistake, it should be {f}|No, I said {f}|It should be {f}|Let us make it {f} instead|Oops, {f}|My mistake, {f}|Can you make it {f} instead?|Could we do {f} instead?|{f}, sorry|{f} please, sorry|No no, {f}|I mean {f}|{f}, I mean|Actually {f}|Actually, {f} please|Could you change that to {f}|Change that to {f}|Rather {f}|Hold on, {f}|Make that {f}|Wait, make it {f} please|Switch it to {f}|Is {f} possible instead?|Scratch that, {f}|My bad, {f}|Ah sorry, {f}|Ah, no, {f}|Oops, I meant {f}|Correction: {f}|Change of plan, {f}|On second thought, {f}|On second thoughts, make it {f}|Let us do {f}|Can we do {f}?|Can we make it {f}?|Make that {f} please|I would rather have {f}|Wait no, {f}|Sorry, make it {f}|Sorry, make that {f}|Not that, {f}|Er, {f}|Umm no, {f}|Better make it {f}|Actually no, {f}|Actually, could we make it {f}?|Can we change that to {f}?|Could we change it to {f}?|Could you change it to {f} please?|Can I change that to {f}?|Any chance of {f} instead?|Could it be {f}?|Would {f} work instead?|Would {f} be possible?|I would prefer {f}|It has to be {f}|sorry meant {f}|nope, {f}|oh sorry {f}|no wait make it {f}|I said that wrong: {f}|Actually can it be {f}?|Is it possible to have {f} instead?|Let us change that to {f}|I need {f} instead|We need {f} after all|{f} after all|Please change that to {f}|Could you switch that to {f}?|Hm, {f} would suit us better|Let me correct that: {f}|I mistyped, {f}|typo, {f}|Instead, {f}',
  ),
  sentence: choices(
    'No, {s}|No, {s}|Sorry, {s}|Sorry, {s}|Actually, {s}|Actually, {s}|Wait, {s}|Oh, {s}|{s}|{s}|{s}, sorry|{s} instead|I forgot, {s}|Oh wait, {s}|No sorry, {s}|{s} after all',
  ),
  contrast: choices(
    'Not {o}, {v}|Not {o}, {v}|Not {o} but {v}|{v}, not {o}|{v}, not {o}|No, {v}, not {o}|No, not {o} but {v}|I said {v}, not {o}|I said {v} not {o}|I meant {v}, not {o}|{v} instead of {o}|Change {o} to {v}|Make that {v} instead of {o}|It is {v}, not {o}|Sorry, {v} and not {o}|Not {o}! {v}!|I did not say {o}, I said {v}|Not {o}. {v}.|Not {o}. {v}|{v}, sorry, not {o}|{v} rather than {o}|Replace {o} with {v}|Swap {o} for {v}|No no, {v}, not {o}|Sorry, not {o}, {v}|Actually not {o} but {v}|Oops, {v}, not {o}|You wrote {o}, it is {v}|{o} is wrong, it is {v}|Did I say {o}? I meant {v}|Sorry, I wrote {o} but I meant {v}|I typed {o}, I meant {v}|It should be {v} rather than {o}|When I said {o} I meant {v}|no not {o}, I mean {v}|no, I do not mean {o}, I mean {v}|Can we have {v} instead of {o}?|Could you change {o} to {v}?|Please change {o} to {v}|not {o}, {v} please|Scratch {o}, make it {v}',
  ),
  labelled: choices(
    'Change the {l} to {v}|The {l} should be {v}|No, the {l} is {v}|The {l} is {v}, not {o}|Please change the {l} to {v}|Can you change the {l} to {v}?|The {l} is wrong, it is {v}|Sorry, the {l} is {v}|Actually, the {l} is {v}|Wrong {l}, I meant {v}|{l}: {v}|Change the {l} please, to {v}|Make the {l} {v}|Set the {l} to {v}|New {l}: {v}|I gave you the wrong {l}, it is {v}|The {l} should be {v}, not {o}|The {l} is {v}',
  ),
  /** Two things at once: `{f}` is both. */
  both: choices(
    'Two changes: {f}|Two things: {f}|Change of plan: {f}|Sorry, two things, {f}|Please change it to {f}|Please change both: {f}|I got two things wrong, {f}|Both wrong: {f}|New plan, {f}|It has to be {f}',
  ),
  /** Taken back in the same breath: `{a}` comes first, then the fragment. */
  breath: choices(
    '{a}, no, {f}|{a}, sorry, {f}|{a}, I mean {f}|{a}, no wait, {f}|{a}... actually {f}|{a}, or rather {f}|{a} - sorry, {f}|{a}, no, make it {f}',
  ),
};

export const YES = choices(
  'Yes|Yes please|Yes, that is right|That is correct|Yes, book it|Right|Sure|Yes, thank you|Correct|yes|Yep|Yeah|Perfect|Exactly|That is right|Yes, that is correct|Yes, please book it|Sounds good|Great, thanks|ok|Okay|Go ahead|Confirmed|Yes, everything is right|That works|Please do|y|All good|Fine|Yes, go ahead|Book it|looks good|Absolutely|Yes, perfect',
);
export const NO = choices(
  'No|No, that is wrong|That is wrong|That is not right|No, it is not|Not quite|nope|Something is wrong|No, I want to change something|Wait, no',
);
export const CANCEL = choices(
  'Cancel|Never mind|Forget it|I changed my mind, cancel it|Cancel that please|Stop|No thanks, I do not need it any more|Please cancel it|Let us leave it|I do not want it any more',
);
/** How a request begins whose place comes first. */
export const BOOK =
  'Book ,Reserve ,book ,reserve ,Please book ,Can you book ,I want to book ,I would like to book '.split(',');
/** How one goes on after a day, a time or a number. */
export const LED =
  'I need|I need|I want|I want|I would like|we need|we want|we would like|I want to book|I would like to book|we have to book|please book|book|can I have|can we get|could you book|I am looking for|get me|reserve'.split(
    '|',
  );

/** Of those who know no place. */
export const UNDECIDED = choices(
  'I do not know|You choose|Any|Can you recommend one?|Which one is good?|Which ones are there?|Whatever you like|What do you recommend?|Surprise me|No idea|Do you have a suggestion?|It does not matter',
);
