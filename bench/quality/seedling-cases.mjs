// Conversations that measure the seedling. None of these names is in its training texts on purpose: real places of many countries, and people.
const TABLES = [
  ['Zum Goldenen Hirschen', 'Nürnberg', 'four', 'Friday', '7:30 pm'],
  ['Trattoria dell’Orso', 'Bologna', '2', 'March 14th', '18:30'],
  ["Skipper O'Malley", 'Killarney', 'six', 'tomorrow', 'noon'],
  ['Pod Wawelem', 'Zakopane', '3', 'Sunday', 'half past six'],
  ['Café Nørrebrønd', 'Århus', 'five', '12 May', '20:15'],
  ['The Rusty Anchor', 'Whitby', '8', 'next Tuesday', '8 pm'],
  ['Ristorante Peppè', 'Catania', 'two', 'the 3rd of June', '1:15 pm'],
  ['La Tâche Gourmande', 'Besançon', '7', 'Saturday', '19:45'],
  ['Thistle & Thyme', 'Inverness', 'three', 'August 9', 'seven thirty'],
  ['El Rincón de Íñigo', 'Pamplona', '4', 'Thursday', '21:00'],
  ['Şirin Sofra', 'Gaziantep', 'nine', 'July 22nd', '6 pm'],
  ['U Zlatého Tygra', 'Olomouc', '5', 'Monday', '5:45 pm'],
  ['Nobu', 'Malibu', 'two', 'tonight', '9 pm'],
  ['Szeged Csárda', 'Kecskemét', '6', '2026-09-18', '19:00'],
  ["Fisherman's Wharf Grotto", 'Monterey', 'one', 'Wednesday', '12:30'],
  ['Quán Ăn Ngon', 'Đà Nẵng', '4', 'January 30th', '11:45 am'],
  ['Mirazur', 'Menton', 'ten', 'next Saturday', '8:15 pm'],
  ['Ñam Ñam', 'Cádiz', 'three', '5 October', '22:00'],
  ['Käfer & Söhne', 'Würzburg', '2', 'Dec 6', '17:30'],
  ['Bar Tòmas', 'Gràcia', 'five', 'Sunday', 'quarter to nine'],
  ['Hache 9', 'Leeds', '4', 'the 21st', '7pm'],
  ['Smoke and Embers', 'Chattanooga', 'seven', 'April 2nd', '6:45 pm'],
];
const STAYS = [
  ['Hotel Bellavista', 'Taormina', 'two', 'May 3rd', 'three'],
  ['Pension Edelweiss', 'Garmisch', '1', '14 July', '5'],
  ['The Drunken Duck Inn', 'Ambleside', 'one', 'Friday', 'two'],
  ['Hôtel des Îles', 'Quimper', '2', 'the 8th of August', '4'],
  ['Posada Ñandú', 'Mendoza', 'three', 'next Monday', 'six'],
  ['Gästehaus Möller', 'Lübeck', '1', '2026-11-02', '2'],
  ['Fjällstugan', 'Östersund', 'two', 'December 27', 'seven'],
  ['Grand Hotel Excelsior', 'Rapallo', '3', 'tomorrow', '3'],
  ['Dom Pracy Twórczej', 'Sopot', 'one', 'June 11th', 'four'],
  ['Ryokan Kikunoya', 'Miyajima', '1', '3 April', '1'],
  ['Casa do Ó', 'Óbidos', 'two', 'Saturday', 'two'],
  ['Whispering Pines Lodge', 'Flagstaff', '2', 'October 19', '6'],
  ['Aurora Borealis Suites', 'Rovaniemi', 'four', 'January 5th', 'three'],
  ['Penzión Jánošík', 'Žilina', '1', 'the 22nd', '2'],
  ['Riad Zitoun', 'Marrakesh', 'two', 'Sept 9', 'five'],
  ['Motel 66', 'Amarillo', '1', 'tonight', 'one'],
  ['Château Frontenay', 'Québec', 'three', 'next Thursday', '4'],
  ['Hostal Peñíscola', 'Castellón', '2', '7 March', 'three'],
  ['Schloss Bühlerhöhe', 'Baden-Baden', 'one', 'Sunday', 'two'],
  ['Ţepeş Inn', 'Braşov', '2', 'November 1st', '2'],
  ['Hotel Çırağan', 'Bodrum', 'two', '28 August', 'nine'],
  ['Seaspray Cottage', 'Llandudno', '1', 'Monday', '3'],
];
const RIDES = [
  ['Gdańsk Główny', 'two', 'regular', '6:30 am'],
  ['47 Albemarle Street', '3', 'shared', '8 pm'],
  ['the Guggenheim museum', 'four', 'luxury', '14:15'],
  ['Plaza de Cataluña', '1', 'regular', 'noon'],
  ['Heathrow Terminal 5', 'two', 'luxury', '4:45 am'],
  ['the airport', '4', 'shared', '7:30'],
  ['Schönbrunn', 'three', 'regular', '10:20 am'],
  ['221B Baker Street', '2', 'regular', 'half past nine'],
  ['Rua da Conceição 12', 'one', 'shared', '22:40'],
  ['Pier 39', '5', 'luxury', '3 pm'],
  ['Kampa Park', 'two', 'regular', '17:05'],
  ['the Łazienki palace', '3', 'shared', 'quarter past eight'],
  ['Wembley Stadium', 'four', 'regular', '5:15 pm'],
  ['Møllevangen', '2', 'luxury', '9 am'],
  ['Hôpital Saint-Louis', 'one', 'regular', 'now'],
  ['1600 Amphitheatre Parkway', '3', 'regular', '11:30 am'],
  ['Sagrada Família', 'two', 'shared', '16:00'],
  ['my hotel', '4', 'regular', 'midnight'],
  ['Třebíč', '2', 'luxury', '13:50'],
  ['Union Station', 'six', 'shared', '7 am'],
  ['Café Zürich', 'three', 'regular', '8:10 pm'],
  ['Ocean Drive 900', '1', 'shared', '12:25'],
];
const on = (day) => (/^(today|tomorrow|tonight|next|this)/.test(day) ? day : `on ${day}`);
const at = (time) => (time === 'now' ? time : `at ${time}`);
const of = (count, word) => `${count} ${word}${/^(1|one)$/.test(count) ? '' : 's'}`;
const people = (count) => `${count} ${/^(1|one)$/.test(count) ? 'person' : 'people'}`;

// Four ways to tell the same: little by little, half of it, in another order, all at once.
const tableStyles = [
  [
    'little by little',
    (r, c, p, d, t) => [`I want to book a table at ${r} in ${c}.`, `For ${people(p)}.`, `${on(d)}.`, `At ${t}.`],
  ],
  [
    'another order',
    (r, c, p, d, t) => [`Hello, a table for ${p} ${on(d)} please`, `in ${c}`, `at ${t}`, `${r}, please.`],
  ],
  ['all at once', (r, c, p, d, t) => [`Table for ${p} ${d} ${t} please, at ${r}, in ${c}.`]],
  ['all at once', (r, c, p, d, t) => [`Could you reserve a table for ${people(p)} at ${r} in ${c} ${on(d)} at ${t}?`]],
  ['asked one by one', (r, c, p, d, t) => ['We would like to eat out.', `${r}`, `In ${c}.`, `${p}`, `${d}`, `${t}`]],
];
const stayStyles = [
  [
    'little by little',
    (h, c, r, d, n) => [`I need a hotel in ${c} for ${of(n, 'night')}.`, `${h}.`, `${of(r, 'room')}.`, `From ${d}.`],
  ],
  ['all at once', (h, c, r, d, n) => [`Please book ${of(r, 'room')} at ${h} in ${c} from ${d} for ${of(n, 'night')}.`]],
  [
    'another order',
    (h, c, r, d, n) => [`I would like to stay at ${h} from ${d}`, `it is in ${c}, ${of(n, 'night')}`, `${r}`],
  ],
  [
    'asked one by one',
    (h, c, r, d, n) => [
      'Can you find me a hotel room?',
      `${c}`,
      `The ${h.replace(/^The /, '')}`,
      `${r}`,
      `${d}`,
      `${n}`,
    ],
  ],
];
const rideStyles = [
  ['little by little', (to, p, k, t) => [`I need a taxi to ${to} for ${p}.`, `A ${k} ride, please.`, `${at(t)}.`]],
  ['all at once', (to, p, k, t) => [`${k} cab to ${to} ${at(t)} for ${people(p)} please`]],
  ['asked one by one', (to, p, k, t) => ['I need a ride', `${to}`, `${p}`, `${k}`, `${t}`]],
];

/** Bookings: what is said, and the values that the last answer must hold; the name comes first. */
export function bookings() {
  const kinds = [
    [TABLES, tableStyles],
    [STAYS, stayStyles],
    [RIDES, rideStyles],
  ];
  return kinds.flatMap(([rows, styles]) =>
    rows.map((row, i) => {
      const [style, tell] = styles[i % styles.length];
      return { style, said: tell(...row), values: row.map((value) => value.replace(/^The (?=Drunken)/, '')) };
    }),
  );
}

/** Orders as briefly as people write them, and the values that the first answer must hold. */
export const BRIEF = [
  ['Table for two in Lugano', 'two', 'Lugano'],
  ['table for 5 tonight', '5', 'tonight'],
  [
    'Reserve Gasthof Ochsen, Meersburg, 2 people, 19:00, 12 March',
    'Gasthof Ochsen',
    'Meersburg',
    '2',
    '19:00',
    '12 March',
  ],
  ['book Il Pescatore Friday 7:30 for 5', 'Il Pescatore', 'Friday', '7:30', '5'],
  ['Dinner for 3 at Bei Mario', '3', 'Bei Mario'],
  ['La Perla Nera, Trieste, tomorrow, 4 people, 8pm, table please', 'La Perla Nera', 'Trieste', 'tomorrow', '4', '8pm'],
  ['Table at Kuća Stara in Rovinj, June 4, noon, six of us', 'Kuća Stara', 'Rovinj', 'June 4', 'noon', 'six'],
  ['Lunch Sunday 13:00, The Salty Dog, Margate, for 7', 'Sunday', '13:00', 'The Salty Dog', 'Margate', '7'],
  ['Can you get us a table at Tapas & Cava for four on Saturday?', 'Tapas & Cava', 'four', 'Saturday'],
  ['2 rooms at Hotel Polarlys, Tromsø, 3 nights from May 5', '2', 'Hotel Polarlys', 'Tromsø', '3', 'May 5'],
  ['Book Pensjonat Halny, Szczyrk, 1 room, from 9 July, 2 nights', 'Pensjonat Halny', 'Szczyrk', '1', '9 July', '2'],
  ['room in Ostrava please', 'Ostrava'],
  ['Hotel in Bergamo for four nights', 'Bergamo', 'four'],
  ['one room, Auberge du Lac, Annecy, next Friday, one night', 'one', 'Auberge du Lac', 'Annecy', 'next Friday'],
  ['The Old Mill in Ludlow, two rooms from Tuesday', 'The Old Mill', 'Ludlow', 'two', 'Tuesday'],
  ['taxi to the harbour at 6', 'the harbour', '6'],
  ['Cab from Rue Pasteur 12 to Gare de Lyon at noon', 'Rue Pasteur 12', 'Gare de Lyon', 'noon'],
  ['3 people to Alexanderplatz, 14:30, taxi', '3', 'Alexanderplatz', '14:30'],
  ['luxury ride to Teatro Colón for 2', 'luxury', 'Teatro Colón', '2'],
  ['shared taxi, Gate 22, right now, one person', 'shared', 'Gate 22', 'right now', 'one'],
].map(([said, ...values]) => ({ said: [said], values }));

const table = (r, c, p, d, t) => [`I want to book a table at ${r} in ${c} for ${people(p)} ${on(d)} at ${t}.`];
const stay = (h, c, r, d, n) => [`Book ${of(r, 'room')} at ${h} in ${c} from ${d} for ${of(n, 'night')}, please.`];
const ride = (to, p, k, t) => [`I need a ${k} taxi to ${to} for ${people(p)} ${at(t)}`];
const change = (tell, row, correction, gone, come) => ({
  said: [...tell(...row), ...[correction].flat()],
  values: row.filter((value) => value !== gone).concat(come),
  not: [gone],
});
/** A correction, what goes and what comes; everything else stays. */
export const CORRECTED = [
  change(table, TABLES[0], 'no, make it 8:15', '7:30 pm', '8:15'),
  change(table, TABLES[1], 'Sorry, I meant five people', 'for 2 ', 'five people'),
  change(table, TABLES[2], 'Actually, we are coming on Thursday.', 'tomorrow', 'Thursday'),
  change(table, TABLES[3], 'The city is wrong, it is Nowy Targ', 'Zakopane', 'Nowy Targ'),
  change(table, TABLES[4], ['No.', 'It should be for seven people'], 'five', 'seven'),
  change(table, TABLES[5], 'Not Whitby, Scarborough', 'Whitby', 'Scarborough'),
  change(table, TABLES[6], 'can you make it 2 pm instead?', '1:15 pm', '2 pm'),
  change(table, TABLES[7], 'oh wait, on Sunday please', 'Saturday', 'Sunday'),
  change(table, TABLES[8], 'I said Thistle & Rose, not Thistle & Thyme', 'Thistle & Thyme', 'Thistle & Rose'),
  change(table, TABLES[9], 'change the time to 20:30', '21:00', '20:30'),
  change(table, TABLES[10], 'we will be eleven', 'nine', 'eleven'),
  change(table, TABLES[11], 'No, at U Fleků', 'U Zlatého Tygra', 'U Fleků'),
  change(stay, STAYS[0], 'no, four nights', 'three', 'four'),
  change(stay, STAYS[1], 'Sorry, from the 20th of July', '14 July', 'the 20th of July'),
  change(stay, STAYS[2], 'I need three rooms', 'one room', 'three rooms'),
  change(stay, STAYS[3], 'The hotel should be Hôtel Kérity', 'Hôtel des Îles', 'Hôtel Kérity'),
  change(stay, STAYS[4], 'Actually make it next Wednesday', 'next Monday', 'next Wednesday'),
  change(stay, STAYS[5], 'Kiel, not Lübeck', 'Lübeck', 'Kiel'),
  change(stay, STAYS[6], 'make it ten nights', 'seven', 'ten'),
  change(stay, STAYS[7], ['Yes', 'Wait, make it 2 rooms please'], '3 rooms', '2 rooms'),
  change(ride, RIDES[0], 'no, 6:45 am', '6:30 am', '6:45 am'),
  change(ride, RIDES[1], 'Sorry, to 74 Albemarle Street', '47 Albemarle Street', '74 Albemarle Street'),
  change(ride, RIDES[2], 'I meant a shared one', 'luxury', 'shared'),
  change(ride, RIDES[3], 'for two people, sorry', '1 person', 'two people'),
  change(ride, RIDES[4], 'Change it to 5:30 am', '4:45 am', '5:30 am'),
  change(ride, RIDES[5], 'No, we are 3', '4 people', '3 people'),
  change(ride, RIDES[6], 'rather at 11 am', '10:20 am', '11 am'),
  change(ride, RIDES[9], 'the destination is Pier 45', 'Pier 39', 'Pier 45'),
  {
    said: ['Table at Mirazur in Menton', 'for 4', 'No wait, 5', 'on Friday', 'at 8', 'no, make it half past eight'],
    values: ['Mirazur', 'Menton', '5', 'Friday', 'half past eight'],
    not: ['for 4'],
  },
  {
    said: [
      'I need a room in Sibiu',
      'Hotel Împăratul',
      'I meant Hotel Împăratul Romanilor',
      'two',
      'May 9',
      'May 10, sorry',
      'three nights',
    ],
    values: ['Hotel Împăratul Romanilor', 'Sibiu', 'two', 'May 10', 'three'],
    not: ['May 9'],
  },
].map((item) => ({
  ...item,
  values: item.values.filter(
    (value) => !item.not.some((gone) => gone.startsWith(value) || gone.includes(` ${value} `)),
  ),
}));

/** Names alone, as they come back in the first answer. */
export const REPEATED = [...TABLES, ...STAYS].map(([name, city], i) => ({
  said: [i < TABLES.length ? `I want to book a table at ${name} in ${city}.` : `A room at ${name} in ${city}, please`],
  values: [name.replace(/^The (?=Drunken)/, ''), city],
}));

/** Each alone, and some in the middle of a booking. */
export const BEYOND = [
  ...`Where is my parcel?|What is the weather like in Denver?|Can you write a poem?|My card was charged twice.|How do I reset my password?|Who won the world cup in 1998?
Tell me a joke.|Play some music by Queen.|I want my money back!|What is the capital of Peru?|Set an alarm for six o'clock.|Please cancel my subscription.
Do you sell shoes?|I need to see a doctor.|Buy two tickets for the concert on Saturday.|Book a flight to Rome.|What is 12 times 12?|Translate good morning into French.
How tall is Mount Everest?|My internet is down.|Send an email to Anna.|What is the phone number of the police?|Is the Louvre open today?|Change my delivery address.
Who is the president?|How do I cook rice?|I lost my luggage.|What is the exchange rate of the euro?|Turn off the lights in the kitchen.|Where can I buy an umbrella?
When does the next train leave?|I have a headache.|Can you recommend a good book?|What's my account balance?|Your service is terrible!|Open the door.
How old is the universe?|Invest a thousand dollars for me.|Which phone should I buy?|Add milk to my shopping list.|My order arrived broken.|Who painted the Mona Lisa?
What is the price of gold?|Can I speak to your boss about a refund?|The screen of my laptop is black.
¿Dónde está la biblioteca?|Wo kann ich hier parken?|Je voudrais un café, s'il vous plaît.|Quanto costa il biglietto?|Gdzie jest dworzec?|Hvor er toget?|Kde je nádraží?|Я потерял ключи|今日は何曜日ですか|Mesa para cuatro, por favor
fjdksl qpwo|zzzz|purple seventeen onto|bla bla bla|%%%$$$|ghrt mmpf`
    .split(/[|\n]/)
    .map((message) => ({ said: [message.trim()] })),
  ...[
    'What is their phone number?',
    'What is the address?',
    'How much does it cost?',
    'Is there parking nearby?',
    'Do they have vegan food?',
    'Where is my parcel?',
    'What will the weather be?',
  ].map((message, i) => ({ said: [`I want to book a table at ${TABLES[i][0]} in ${TABLES[i][1]}.`, message] })),
  ...['What is their phone number?', 'And what is the price?', 'Can you tell me the address of the hotel?'].map(
    (message, i) => ({
      said: [`Two rooms at ${STAYS[i][0]} in ${STAYS[i][1]} from Friday for two nights.`, 'Yes.', message],
    }),
  ),
];

export const TALK = [
  ...['Hi!', 'Hello', 'Good evening', 'hey there'].map((said) => ({ said: [said], like: /^Hello.*table/ })),
  ...['Who are you?', 'Are you a human being?', "What's your name?", 'who am I speaking with'].map((said) => ({
    said: [said],
    like: /seedling/,
  })),
  ...['What can you do?', 'What do you offer?', 'how can you help', 'What can you do for me?'].map((said) => ({
    said: [said],
    like: /book a table/,
  })),
  ...['Thanks!', 'thank you very much', 'Great, thank you.'].map((said) => ({ said: [said], like: /welcome/ })),
  ...['Bye!', 'Goodbye.', 'That is all, thanks.'].map((said) => ({ said: [said], like: /Goodbye|welcome/ })),
  ...['Can I talk to a human?', 'I want to speak to a person.'].map((said) => ({ said: [said], like: /person/ })),
  { said: ['Where is my parcel?', 'Yes please'], like: /person/ },
  { said: ['How are you?'], like: /fine/ },
];
