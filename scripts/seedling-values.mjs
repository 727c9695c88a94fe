// Owns the values of made-up bookings: names that nobody can know by heart, in the sounds and accents of many languages, and counts, days and times in
// every form in which people write them. Must not know dialogues.
import { MONTHS, ordinal } from './dialogue-text.mjs';

const words = (text) => text.trim().split(/\s+/);

// Sounds of languages: what begins a syllable, its middle, what ends it, how a word may end.
const SOUNDS = [
  [
    'b br c ch d f fl g gr h l m n p pr r s st t tr v w th k bl cl sh',
    'a e i o u ea oo ai ou a e o',
    'n r l s t ck nd st rd m ll ng mp x',
    'er on y ton ley ham ford field wick worth by ow le ing',
  ],
  [
    'b c ch d f g gr j l m n p pr r s t tr v br bl qu',
    'a e i o u é è ê â î ou eu au oi ô œ',
    'n r l s t ss ll x nt',
    'eau ette ière ois elle in on ard ée et aux ès',
  ],
  [
    'b c d f g l m n p r s t v z h j qu ch ll ñ',
    'a e i o u á é í ó ú ia ue',
    'n r l s z',
    'ito ez ada ero illa ón a o os ía año eña',
  ],
  [
    'b d f g h j k kl l m n p pf r s sch schw st t tr w z',
    'a e i o u ä ö ü ei au ie',
    'n r l ch ck s ß tz ng rn ld st',
    'er en berg stein heim dorf hof chen bach feld',
  ],
  [
    'b c ch cz d g h j k kr l ł m n p pr r rz s sz ś t w z ż ź dz dł',
    'a e i o u ó y ą ę ie',
    'n r l k w sz ć ń ś st',
    'ów ska ice owa ek nica ław ec anka ość yn',
  ],
  [
    'b c č d ď h j k l m n p r ř s š t ť v z ž hr kr st',
    'a á e é ě i í o u ů ú y ý',
    'n r l k v š ž ch',
    'ov ice ka ník ec ín any ště ová á',
  ],
  [
    'b d f g h j k l m n p r s t v fj sk st kr br tr',
    'a e i o u å ä ö ø æ y',
    'n r l s t k g nd rg',
    'en by stad vik holm sen borg dal lund ä ås',
  ],
  [
    'h j k l m n p r s t v',
    'a e i o u ä ö y aa ii uu ää öö ie uo',
    'n l s t r',
    'nen la lä ki ri sto mäki järvi vaara a i',
  ],
  [
    'b c ç d f g h k l m n p r s ş t v y z',
    'a e ı i o ö u ü',
    'n r l k m ş z',
    'lar ler oğlu köy ci lı lik dağ hane ız e a',
  ],
  [
    'b c d f g h j l m n p qu r s t v x lh nh ch',
    'a e i o u ã â á ê é ó ô õ ei ou ão',
    'r s l m z',
    'inho eira ão ões ada a o al',
  ],
  [
    'b c d f g h l m n p r s t v z gh sc gn st',
    'a e i o u à è ò',
    'n r l',
    'ino etta ello one accia oni ita uccio a o e ù',
  ],
  ['ch sh k t n h m y r s z j b d g w ts ky ry', 'a i u e o ō ū a o u', 'n', 'ka ko ya ma ta shi ki mori moto zaka ra'],
  [
    'b c d đ g gi h kh l m n ng nh ph qu t th tr v x',
    'a ă â e ê i o ô ơ u ư ạ ấ ề ệ ộ ờ ữ ị',
    'n ng nh c t m',
    'n ng nh c i o a',
  ],
  ['b c d f g h j l m n p r s ș t ț v z', 'a ă â e i î o u ea oa', 'n r l c st', 'escu eni ul a ești oara ț ia'],
  [
    'b d gy h j k l m n ny p r s sz t v z zs',
    'a á e é i í o ó ö ő u ú ü ű',
    'k l n r s sz t gy',
    'ály vár ház hely os i falva ő',
  ],
  ['b d f g h j k l m n r s t z kh sh dh', 'a i u aa e o a', 'b d l m n r s h', 'abad pur i a an ah iya oun ar'],
].map((parts) => parts.map(words));

const PLACE_WORDS = words(
  'Bad Bay Cape El Fort Grand Kota La Lake Las Le Los Mount New North Nova Old Port Porto Puerto Saint San Santa South St. Villa West East Upper Lower Río Águas Nowy Stary Sankt Tel Al Abu',
);
const CITIES =
  `San Jose,Oakland,Berkeley,Palo Alto,Napa,Sacramento,San Diego,Los Angeles,New York,Boston,Chicago,Seattle,Denver,Austin,Dallas,Houston,
Atlanta,Miami,Phoenix,Las Vegas,Philadelphia,Toronto,Vancouver,Montréal,Mexico City,London,Manchester,Edinburgh,Paris,Marseille,Saint-Étienne,Berlin,
Köln,Düsseldorf,Rome,Milan,Torino,Madrid,Barcelona,Málaga,León,Lisbon,Porto,Vienna,Graz,Zürich,Genève,Prague,Plzeň,Warsaw,Poznań,Wrocław,Budapest,
Szeged,Bucharest,Iași,Athens,Istanbul,İzmir,Dublin,Galway,Oslo,Tromsø,Stockholm,Malmö,Copenhagen,Aarhus,Helsinki,Tampere,Tallinn,Riga,Sydney,Perth,
Delhi,Mumbai,Tokyo,Osaka,Seoul,Hanoi,Huế,Bangkok,Cairo,Nairobi,Lagos,Accra,Cape Town,Buenos Aires,Bogotá,Medellín,Lima,Santiago,São Paulo,Brasília`
    .split(',')
    .map((city) => city.trim());
const EATING = words(
  'Kitchen Garden House Grill Table Cafe Café Bistro Diner Palace Star Corner Oven Spoon Room Terrace Bar Tavern Brasserie Deli Pizzeria Eatery Cantina Steakhouse Restaurant Brewery Canteen',
);
const EATING_BEFORE = words(
  'Café Restaurant Bistro Trattoria Osteria Taverna Brasserie Ristorante Casa Chez Bar Cantina Gasthaus Restauracja Pizzeria Da Zum Pod Auberge Taberna Ravintola Hospoda Izakaya',
);
const SLEEPING = words(
  'Inn Hotel Suites Lodge House Palace Resort Court Hostel Residence Motel Guesthouse Towers Plaza Retreat Spa Manor Apartments',
);
const SLEEPING_BEFORE = words(
  'Hotel Hôtel Hotel Pension Villa Hostal Albergo Posada Casa Residence Pousada Gasthof Riad Maison Palais Hostel',
);
const ROADS = words('Street Road Avenue Lane Drive Square Way Terrace Boulevard Close Hill Court Place Crescent');
const ROADS_BEFORE =
  `Rue|Calle|Via|Avenida|Plaza|Piazza|Rua|ulica|Place|Boulevard|ul.|ul.|Av.|Pl.|pl.|Quai|Rynek|Praça|Largo|Corso|Gare|Gare de|Gare du|Porte de|Rue de|Rue de la|Rue des|
Rue des|Rue du|Quai des|Quai du|Place des|Place de la|Avenue des|Calle de la|Calle del|Paseo de|Plaza de|Via dei|Via della|Piazza del|Rua da|Rua do|Praça da|Bulevardul|Strada|Trg|náměstí|Pont|Stazione`
    .split('|')
    .map((road) => road.trim());
/** Roads and squares that are one word with their name, or follow it. */
const ROADS_GROWN = words(
  'straße strasse platz gasse weg hof allee ring damm markt laan straat plein gracht gatan torget vägen vej gade plads katu tie gata',
);
const ROADS_AFTER = words(
  'utca tér út Caddesi Sokak katu Straße Strasse Platz Allee Markt Quay Wharf Row Walk Gardens Parade Park Gate Mews Green',
);
const STOPS = words(
  'airport station museum theatre hospital stadium university market harbour castle park library cathedral church bridge mall hotel opera beach ferry',
);
const KNOWN_STOPS =
  `the airport,the train station,the museum,the city center,the stadium,the hospital,the mall,the university,the beach,the zoo,the harbor,the
opera,the bus station,the old town,my hotel,home,my office,the central station,downtown,the conference center,the ferry terminal`
    .split(',')
    .map((place) => place.replace(/\s+/g, ' ').trim());
const NUMBERS = words(
  'one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen twenty',
);
const DAYS = words('Monday Tuesday Wednesday Thursday Friday Saturday Sunday');
const HOLIDAYS = [
  "New Year's Eve",
  'Christmas Eve',
  'Christmas Day',
  "Valentine's Day",
  "Mother's Day",
  'Easter Sunday',
  'Easter Monday',
  "New Year's Day",
  'Halloween',
  'Thanksgiving',
  'Boxing Day',
  'my birthday',
];
const SPOKEN_ORDINALS = words(
  'first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fifteenth twentieth',
);

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Makes values from a random source; `vocabulary` are ordinary words for names made of words, `proper` names of people and places. */
export class Values {
  #random;
  #vocabulary;
  #proper;

  constructor(random, vocabulary, proper = []) {
    this.#random = random;
    this.#vocabulary = vocabulary;
    this.#proper = proper;
  }

  pick(list) {
    return list[this.#random.below(list.length)];
  }
  chance(share) {
    return this.#random.uniform() < share;
  }
  number(low, high) {
    return low + this.#random.below(high - low + 1);
  }
  shuffle(list) {
    const items = [...list];
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.#random.below(i + 1);
      [items[i], items[j]] = [items[j], items[i]];
    }
    return items;
  }

  /** A word of no language, with the sounds of one; now and then a real name, written as English writes names. */
  strange(sounds = this.pick(SOUNDS)) {
    if (this.#proper.length > 0 && this.chance(0.25)) return this.pick(this.#proper);
    const [begin, middle, close, end] = sounds;
    let word = this.chance(0.15) ? this.pick(middle) : this.pick(begin) + this.pick(middle);
    for (let more = this.pick([0, 0, 1, 1, 2]); more > 0; more--) {
      word += (this.chance(0.4) ? this.pick(close) : '') + this.pick(begin) + this.pick(middle);
    }
    word += this.chance(0.6) ? this.pick(close) + (this.chance(0.6) ? this.pick(end) : '') : '';
    return capital(word);
  }
  ordinary() {
    return capital(this.pick(this.#vocabulary));
  }
  word() {
    return this.chance(0.55) ? this.strange() : this.ordinary();
  }

  #name(after, before) {
    const sounds = this.pick(SOUNDS);
    const [a, b] = [this.chance(0.6) ? this.strange(sounds) : this.ordinary(), this.word()];
    const roll = this.#random.uniform();
    if (roll < 0.14) return a;
    if (roll < 0.15) return `${a} ${a}`;
    if (roll < 0.17) return `${a} ${this.strange(sounds)} ${this.strange(sounds)}`;
    if (roll < 0.28) return `${a} ${b}`;
    if (roll < 0.42) return `${this.chance(0.3) ? `${a} ${b}` : a} ${this.pick(after)}`;
    if (roll < 0.58) return `${this.pick(before)} ${a}`;
    if (roll < 0.66)
      return `The ${this.pick([`${a} ${b}`, `${a} ${b}`, a, `${a} ${this.pick(after)}`, `${a} ${b} ${this.pick(after)}`, `${a} and ${b}`])}`;
    if (roll < 0.78)
      return `${this.pick(words('Le La Les El Los Las Il Lo Der Die Das De Het Den Al O Os Pod U'))} ${a}${this.chance(0.4) ? ` ${b}` : ''}`;
    if (roll < 0.83) return `${a} ${this.pick(['&', 'and'])} ${b}`;
    if (roll < 0.87) return `${a}'s${this.chance(0.5) ? ` ${this.pick(after)}` : ''}`;
    if (roll < 0.9) return `${this.pick(["L'", "D'", "O'", 'Mc', "Dell'"])}${a}`;
    if (roll < 0.93)
      return `${this.pick(before)} ${this.pick(words('de del la du di do da dos della des van von im zum zur aux al dei degli delle du'))} ${a}`;
    if (roll < 0.94)
      return `${this.pick(['St.', 'St', 'Old', 'New', 'Little', 'House of', 'Hotel de la', 'Casa de la', 'Number'])} ${a}`;
    if (roll < 0.96) return `${a} ${this.chance(0.5) ? this.number(2, 99) : capital(this.pick(NUMBERS))}`;
    if (roll < 0.967) return `${a}-${b}`;
    if (roll < 0.98) return `${a} ${this.pick(words('de of von di du and y e by i et'))} ${b}`;
    return Array.from({ length: this.number(2, 4) }, () => this.pick([...'ABCDEFGHIJKLMNOPRSTUVWXYZ'])).join('');
  }

  /** Now and then with the apostrophe of print. */
  #written(name) {
    return this.chance(0.3) ? name.replaceAll("'", '’') : name;
  }

  restaurant() {
    return this.#written(this.#name(EATING, EATING_BEFORE));
  }
  hotel() {
    return this.chance(0.15)
      ? `${this.word()} ${this.pick(['Park', 'Bay', 'Garden', 'Grand', 'Royal'])} ${this.pick(SLEEPING)}`
      : this.#written(this.#name(SLEEPING, SLEEPING_BEFORE));
  }
  city() {
    const roll = this.#random.uniform();
    if (roll < 0.25) return this.pick(CITIES);
    if (roll < 0.72) return this.strange();
    if (roll < 0.84) return `${this.pick(PLACE_WORDS)} ${this.word()}`;
    if (roll < 0.88) return `${this.strange()} ${this.strange()}`;
    if (roll < 0.885) return `${this.strange()}-${this.strange()}`;
    if (roll < 0.892) {
      const name = this.strange();
      return `${name}-${name}`;
    }
    if (roll < 0.92)
      return `${this.strange()}-${this.pick(['sur', 'am', 'on', 'upon', 'sous', 'les', 'na'])}-${this.strange()}`;
    return `${this.ordinary()} ${this.pick(words('City Falls Springs Beach Valley Heights Hills Park Creek View Grove'))}`;
  }
  person() {
    return this.chance(0.5) ? this.strange() : `${this.strange()} ${this.strange()}`;
  }
  place() {
    const roll = this.#random.uniform();
    if (roll < 0.22) return this.pick(KNOWN_STOPS);
    if (roll < 0.4)
      return `${this.number(1, 999)}${this.chance(0.1) ? this.pick([...'ABCD']) : ''} ${this.word()} ${this.pick(ROADS)}`;
    if (roll < 0.44)
      return `${this.pick([`${this.word()} Terminal`, 'Terminal', 'Pier', 'Gate', `${this.word()} Platform`])} ${this.chance(0.25) ? this.pick([...'ABCDEF']) : this.number(1, 60)}`;
    if (roll < 0.52) {
      const road = this.pick([
        () => `${this.pick(ROADS_BEFORE)} ${this.word()}`,
        () => `${this.pick(ROADS_BEFORE)} ${this.word()}`,
        () => `${this.strange()}${this.pick(ROADS_GROWN)}`,
        () => `${this.word()} ${this.pick(ROADS_AFTER)}`,
      ])();
      return `${road}${this.chance(0.4) ? ` ${this.number(1, 99)}` : ''}`;
    }
    if (roll < 0.54)
      return this.pick([
        `${this.city()} Airport`,
        `${this.city()} Central Station`,
        `${this.city()} station`,
        `the ${this.city()} office`,
      ]);
    if (roll < 0.57)
      return `${this.pick(['the Museum of', 'Museum of', 'the University of', 'the Church of', 'the Theatre of', 'the Bank of'])} ${this.word()}`;
    if (roll < 0.6)
      return `${this.pick(['St.', 'Saint', 'St', ''])} ${this.strange()}'s ${capital(this.pick(STOPS))}`.trim();
    if (roll < 0.67) return `${this.word()} ${capital(this.pick(STOPS))}`;
    if (roll < 0.73) return `the ${this.word()} ${this.pick(STOPS)}`;
    if (roll < 0.8) return this.restaurant();
    if (roll < 0.87) return this.hotel();
    return this.city();
  }

  /** How many: '4' or 'four'. */
  count(low, high) {
    const n = this.chance(0.15) ? this.number(low, 20) : this.number(low, high);
    return this.chance(0.5) ? String(n) : NUMBERS[n - 1];
  }

  /** How many come: a number, now and then who they are. */
  party() {
    if (this.chance(0.92)) return this.count(1, 9);
    if (this.chance(0.4))
      return this.pick([
        'just me',
        'just me',
        'only me',
        'me and my wife',
        'my husband and me',
        'me and a friend',
        'the kids and me',
      ]);
    const [adults, children] = [this.count(2, 6), this.count(2, 4)];
    return this.pick([
      `${adults} adults`,
      `${adults} adults and ${children} children`,
      `${adults} adults and ${this.pick(['a child', '1 child', 'one child', 'a baby', 'a dog'])}`,
      `a family of ${adults}`,
      `a group of ${this.count(5, 20)}`,
      `${adults} friends`,
      'a couple',
      'just me',
    ]);
  }

  /** How many rooms, now and then of what kind. */
  rooms() {
    if (this.chance(0.72)) return this.count(1, 4);
    const kind = this.pick(
      words('double double double single single twin family triple quiet standard big king queen'),
    );
    const many = this.count(2, 4);
    return this.pick([
      `a ${kind} room`,
      `a ${kind} room`,
      `a ${kind} room`,
      `one ${kind} room`,
      `1 ${kind} room`,
      `${many} ${kind} rooms`,
      `${many} ${kind} rooms`,
      `a ${this.pick(['suite', 'junior suite', 'studio', 'double', 'single', 'twin', 'room with a view', 'room with two beds', 'room with a balcony'])}`,
    ]);
  }

  time() {
    const [hour, minute] = [
      this.number(1, 12),
      this.pick(['00', '05', '10', '15', '20', '30', '30', '40', '45', '45', '50', '55']),
    ];
    const half = this.pick(['pm', 'pm', 'am']);
    return this.pick([
      () => `${hour} ${half}`,
      () => `${hour}${half}`,
      () => `${hour} ${half}`,
      () => `${hour}:${minute} ${half}`,
      () => `${hour}:${minute}`,
      () => `${hour}:${minute}`,
      () => `${hour}:${minute}${half}`,
      () => `${this.number(13, 23)}:${minute}`,
      () => `${this.number(13, 23)}:${minute}`,
      () => `${this.number(0, 9)}:${minute}`,
      () => `${hour}.${minute}`,
      () => `${this.number(13, 22)}.${minute}`,
      () => `${this.number(11, 22)}h`,
      () => `${this.number(11, 22)}h${minute}`,
      () => `${hour}:${minute} ${half.charAt(0)}.m.`,
      () => `${hour} ${half.toUpperCase()}`,
      () => `${hour} o'clock`,
      () => `${NUMBERS[hour - 1]} o'clock`,
      () => `half past ${NUMBERS[hour - 1]}`,
      () => `quarter ${this.pick(['past', 'to'])} ${NUMBERS[hour - 1]}`,
      () =>
        `${this.pick(['half past', 'quarter past', 'a quarter past', 'quarter to', '10 past', '20 past', '20 to'])} ${hour}`,
      () => `${this.pick(['ten', 'twenty', 'five'])} ${this.pick(['past', 'to'])} ${NUMBERS[hour - 1]}`,
      () => NUMBERS[hour - 1],
      () => `${NUMBERS[hour - 1]} ${this.pick(['thirty', 'fifteen', 'forty-five'])}`,
      () => `${NUMBERS[hour - 1]} ${half}`,
      () => `${this.pick([hour, NUMBERS[hour - 1]])} in the ${this.pick(['morning', 'evening', 'afternoon'])}`,
      () => `${hour} ${half.charAt(0)}.m.`,
      () => this.pick(['noon', 'noon', 'midnight', 'midday', '12 noon']),
      () => `${hour}:${minute} in the ${this.pick(['morning', 'evening', 'afternoon'])}`,
      () => `${hour}.${minute} ${half}`,
      () => `${this.number(11, 22)}:${minute}h`,
    ])();
  }

  date() {
    const [month, day, weekday] = [this.pick(MONTHS), this.number(1, 30), this.pick(DAYS)];
    const short = month.slice(0, 3);
    return this.pick([
      () => weekday,
      () => weekday,
      () => weekday,
      () => `${this.pick(['this', 'next', 'next', 'this coming'])} ${weekday}`,
      () => this.pick(['tomorrow', 'today', 'tomorrow', 'the day after tomorrow', 'tonight']),
      () => `${month} ${ordinal(day)}`,
      () => `${month} ${ordinal(day)}`,
      () => `${month} ${day}`,
      () => `${day} ${month}`,
      () => `${ordinal(day)} ${month}`,
      () => `the ${ordinal(day)} of ${month}`,
      () => `the ${ordinal(day)}`,
      () => `${short} ${day}`,
      () => `${day} ${short}`,
      () => `${day}/${this.number(1, 12)}`,
      () =>
        `${String(this.number(1, 12)).padStart(2, '0')}/${String(day).padStart(2, '0')}${this.chance(0.5) ? `/202${this.number(5, 9)}` : ''}`,
      () => `${day}.${this.number(1, 12)}.${this.chance(0.4) ? `202${this.number(5, 9)}` : ''}`,
      () => `202${this.number(5, 9)}-${String(this.number(1, 12)).padStart(2, '0')}-${String(day).padStart(2, '0')}`,
      () => `${weekday} the ${ordinal(day)}`,
      () => `${weekday}, ${month} ${day}`,
      () => `${weekday} ${day} ${month}`,
      () => `${weekday.slice(0, 3)} ${day} ${short}`,
      () => `${month} ${this.pick(SPOKEN_ORDINALS)}`,
      () => `the ${this.pick(SPOKEN_ORDINALS)} of ${month}`,
      () => this.pick(HOLIDAYS),
      () => `${ordinal(day)} of ${month}`,
      () => `${weekday} ${ordinal(day)}`,
      () => `${short} ${ordinal(day)}`,
      () => `${weekday} the ${ordinal(day)} of ${month}`,
      () =>
        this.pick([
          weekday.slice(0, 3),
          'day after tomorrow',
          `${ordinal(day)}`,
          `coming ${weekday}`,
          `${weekday} next week`,
        ]),
      () => `${day} ${month} 202${this.number(5, 9)}`,
      () => `${weekday} ${this.pick(['evening', 'night', 'afternoon', 'morning', 'lunchtime'])}`,
      () =>
        `${this.pick(['tomorrow', 'this', 'this', 'next', 'tomorrow'])} ${this.pick(['evening', 'night', 'afternoon', 'morning'])}`.replace(
          'next',
          'Friday',
        ),
      () =>
        this.pick([
          `a week from ${weekday}`,
          `${weekday} week`,
          `${weekday} in two weeks`,
          'this weekend',
          'next week',
        ]),
      () => `${weekday}, ${this.pick([`${day} ${month}`, `the ${ordinal(day)}`, `${month} ${ordinal(day)}`])}`,
      () => `${month} the ${ordinal(day)}`,
      () => `in ${this.pick(['two', 'three', '10'])} ${this.pick(['days', 'weeks'])}`,
    ])();
  }
}
