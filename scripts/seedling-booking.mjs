// Owns how a made-up booking goes: what the customer tells in which order, takes back or asks in between, and what the agent answers.

import { nonsense, REPLIES, SMALL_TALK } from './seedling-declines.mjs';
import { BOOK, CANCEL, CORRECTIONS, fill, KINDS, LED, NO, REQUESTS, UNDECIDED, YES } from './seedling-phrases.mjs';
import { CANCELLED, ended } from './seedling-voice.mjs';

const capital = (sentence) => sentence.charAt(0).toUpperCase() + sentence.slice(1);

/** One booking, told to the end or called off, written into `talk`. */
export class Booking {
  #talk;
  #voice;
  #kind;
  #names;
  #style;
  #said = {};
  #wanted = {};
  #last = [];
  #before = {};

  constructor(talk, voice, trades = ['table', 'table', 'stay', 'ride']) {
    this.#talk = talk;
    this.#voice = voice;
    this.#kind = KINDS[this.#voice.pick(trades)];
    this.#style = this.#voice.chance(0.17)
      ? (value) => value.toLowerCase()
      : this.#voice.chance(0.02)
        ? (value) => value.toUpperCase()
        : (value) => value;
    const optional = this.#voice.pick([0, 0, 0.4, 0.8]);
    const { slots } = this.#kind;
    this.#names = Object.keys(slots).filter(
      (name) =>
        slots[name].ask ||
        this.#voice.chance(
          { name: optional / 3, from: Math.max(optional, 0.5), date: Math.max(optional, 0.75) }[name] ?? optional,
        ),
    );
    // Some say how many nights, some when they leave.
    const ends = this.#voice.chance(0.3) ? 'nights' : 'until';
    this.#names = this.#names.filter((name) => name !== ends);
    for (const name of this.#names) this.#wanted[name] = this.#make(name);
  }

  #make(name) {
    const old = this.#said[name];
    for (;;) {
      const value = this.#style(this.#kind.slots[name].make(this.#voice.values));
      if (value !== old) return value;
    }
  }
  #user(sentence) {
    this.#talk.user(this.#style(this.#voice.typed(sentence)));
  }
  get #missing() {
    return this.#names.filter((name) => this.#said[name] === undefined && this.#kind.slots[name].ask);
  }
  get #question() {
    const [next] = this.#missing;
    return next ? this.#kind.slots[next].ask : 'Is that right?';
  }
  #repeat() {
    this.#talk.agent(ended(this.#kind.state(this.#said), this.#question));
  }
  #take(names) {
    for (const name of names) this.#said[name] = this.#wanted[name];
    this.#last = names;
  }
  #part(name) {
    return this.#phrase(this.#kind.slots[name].part, this.#wanted[name]);
  }
  /** A phrase with the value in it; "seven" alone says "at" before it, or nobody knows what it counts. */
  #phrase(phrases, value) {
    const bare = /^\w+$/.test(value) && !/\d[hm]|\dpm|now|noon|night|day/i.test(value);
    const shape = this.#voice.pick(phrases);
    const vague = bare && phrases.some((item) => /\bat \{v\}/.test(item)) && /^(for )?\{v\}$/.test(shape);
    return fill(vague ? 'at {v}' : shape, value);
  }

  #open() {
    const share = this.#voice.pick([0, 0.3, 0.4, 0.5, 0.7, 1, 1, 1]);
    const named = this.#voice.values.shuffle(this.#names.filter(() => this.#voice.chance(share)));
    // Half the time as the language orders it.
    const given = this.#voice.chance(0.5) ? this.#names.filter((name) => named.includes(name)) : named;
    // What is asked for is itself a number of rooms or nights, or a kind of car.
    const led = this.#voice.chance(0.6) ? given.find((name) => this.#kind.slots[name].first) : undefined;
    const told = given.filter((name) => name !== led);
    const parts = told.map((name) => this.#part(name));
    const names = [...told];
    const [day, time] = ['date', 'time'].map((name) => names.indexOf(name));
    if (day >= 0 && time >= 0 && this.#voice.chance(0.4)) {
      parts[time] = this.#dayAndTime();
      for (const list of [names, parts]) list.splice(day, 1);
    }
    // "at Chez Paul, Lyon"
    const city = names.indexOf('city');
    if (city > 0 && names[city - 1] === this.#kind.named && this.#voice.chance(0.25)) {
      parts[city - 1] += `${this.#voice.pick([', ', ' - ', ', '])}${this.#wanted.city}`;
      parts.splice(city, 1);
    }
    const comma = () => this.#voice.pick([' ', ' ', ' ', ', ']);
    const joined = (joint = comma) => parts.map((item, at) => (at === 0 ? item : joint() + item)).join('');
    const asking = this.#voice.chance(0.3);
    const thing = led && fill(this.#voice.pick(this.#kind.slots[led].first), this.#wanted[led]);
    const whole = `${this.#voice.pick(asking ? REQUESTS.asking : REQUESTS.telling)} ${thing ?? this.#voice.pick(this.#kind.things)}`;
    const please = () =>
      this.#voice.pick([
        '',
        '',
        '',
        ' please',
        ', please',
        ' if possible',
        ', thanks',
        ', thank you',
        ' pls',
        ' plz',
        ' thx',
      ]);
    const end = asking ? '?' : '';
    const terse = thing ?? this.#voice.pick(this.#kind.terse);
    if (this.#kind.unknown && this.#voice.chance(0.05)) return this.#openBlindly();
    const roll = this.#voice.values.number(1, 100);
    if (given.length > 0 && roll <= 44) {
      const told =
        roll <= 10
          ? this.#inShort(given)
          : roll <= 20
            ? this.#bare(given)
            : roll <= 31
              ? this.#commas(given)
              : this.#whenFirst(given);
      this.#user(`${told}${please()}`);
      this.#take(given);
      return this.#repeat();
    }
    const greeting = this.#voice.chance(0.12)
      ? this.#voice.pick(['Hi, ', 'Hello, ', 'Good evening, ', 'Hi there! ', 'Hey, ', 'Hello! ', 'Good morning. '])
      : '';
    this.#user(
      greeting +
        this.#voice.pick([
          () => `${whole}${parts.length ? ` ${joined()}` : ''}${please()}${end}`,
          () => `${whole}${parts.length ? ` ${joined()}` : ''}${please()}${end}`,
          () =>
            `${thing ? whole : this.#voice.pick(this.#kind.whole)}${parts.length ? ` ${joined()}` : ''}${please()}${thing ? end : ''}`,
          () => `${terse}${parts.length ? ` ${joined()}` : ''}${please()}`,
          () => `${terse}${parts.length ? `${this.#voice.pick([' ', ', ', ': '])}${joined()}` : ''}${please()}`,
          () =>
            parts.length
              ? `${joined()}${this.#voice.pick([', ', ' - ', '. '])}${terse}${please()}`
              : `${terse}${please()}`,
          () =>
            `${whole}${end || '.'}${parts.map((item) => ` ${this.#voice.pick(['It is', 'It should be', 'We want it', 'Make it', ''])} ${item}.`.replace('  ', ' ')).join('')}`,
          () => `${whole}${end || '.'}${parts.length ? ` ${capital(joined(() => ', '))}.` : ''}`,
          () =>
            told.length > 1
              ? `${capital(terse)}${this.#voice.pick(['. ', ': ', '\n'])}${told.map((name) => `${this.#voice.pick(this.#kind.slots[name].label)}${this.#voice.pick([': ', ': ', ' '])}${this.#wanted[name]}`).join(this.#voice.pick([', ', '; ', '\n', ', ']))}`
              : `${whole}${parts.length ? ` ${joined()}` : ''}${end}`,
        ])(),
    );
    this.#take(given);
    this.#repeat();
  }

  /** "Table for two at Chez Paul in Lyon on Friday": as briefly as it is mostly said. */
  #inShort(given) {
    const order = ['rooms', 'kind', 'people', this.#kind.named, 'city', 'from', 'to'];
    const place = (name) => (order.includes(name) ? order.indexOf(name) : order.length);
    const parts = given.toSorted((a, b) => place(a) - place(b)).map((name) => this.#part(name));
    const thing = this.#voice.pick(this.#kind.terse);
    return `${this.#voice.chance(0.5) ? capital(thing) : thing} ${parts.join(' ')}`;
  }

  /** "Book Chez Paul, Lyon, 2 people, 19:00, 12 March", "Chez Paul, Lyon, tomorrow, table please": the place with no word around it. */
  #bare(given) {
    const named = this.#kind.slots.to ? 'to' : this.#kind.named;
    const first = this.#place(given);
    const rest = given.filter((name) => name !== named && name !== 'city').map((name) => this.#part(name));
    const joint = this.#voice.pick([', ', ', ', ', ', ' ']);
    const place = first.join(this.#voice.pick([', ', ', ', ' in ', ' ']));
    const mixed = this.#voice.chance(0.45);
    const pieces = [place, ...(mixed ? this.#whenTogether(given, rest) : rest)].filter((piece) => piece !== '');
    const listed = (mixed ? this.#voice.values.shuffle(pieces) : pieces).join(joint);
    const thing = this.#voice.pick(this.#kind.terse);
    if (given.includes(named) && this.#voice.chance(0.3)) return `${listed}${joint}${thing}`;
    const verb = named !== 'to' && given.includes(named) && this.#voice.chance(0.7);
    return `${verb ? this.#voice.pick(BOOK) : `${thing}${this.#voice.pick([': ', ', ', ' - '])}`}${listed}`;
  }

  /** "two rooms, Chez Paul in Lyon, March 14, 3 nights": what is wanted, then bare values between commas. */
  #commas(given) {
    const { slots } = this.#kind;
    const named = slots.to ? 'to' : this.#kind.named;
    const has = (name) => given.includes(name);
    const led = ['rooms', 'kind', 'people'].find((name) => has(name) && this.#voice.chance(0.6));
    const first = (led && slots[led].first) ?? [];
    const thing = this.#voice.pick(this.#kind.terse);
    let head = thing;
    if (first.length > 0) head = fill(this.#voice.pick(first), this.#wanted[led]);
    else if (led) head += ` ${this.#part(led)}`;
    const at = has(named) ? ({ to: 'to ' }[named] ?? 'at ') : '';
    const where = this.#place(given).join(this.#voice.pick([' in ', ' in ', ', ']));
    const rest = given
      .filter((name) => name !== led && name !== named && name !== 'city')
      .map((name) =>
        this.#voice.chance(0.5) && ['date', 'time', 'kind'].includes(name) ? this.#wanted[name] : this.#part(name),
      );
    const bare = this.#voice.chance(0.5) || where === '';
    const pieces = bare ? [head, where, ...rest] : [`${head} ${at}${where}`, ...rest];
    const ordered = this.#voice.chance(0.3) ? [pieces[0], ...this.#voice.values.shuffle(pieces.slice(1))] : pieces;
    const told = ordered.filter((piece) => piece !== '').join(this.#voice.chance(0.85) ? ', ' : ' ');
    return this.#voice.chance(0.5) ? capital(told) : told;
  }

  /** "From Friday I need a room in Lyon", "On Monday at 8 we want a table at Chez Paul": the place comes last, or later. */
  #whenFirst(given) {
    const where = ['restaurant', 'hotel', 'city', 'to', 'from'].filter((name) => given.includes(name));
    const what = ['rooms', 'kind'].filter((name) => given.includes(name));
    const when = this.#voice.values.shuffle(given.filter((name) => !where.includes(name) && !what.includes(name)));
    const early = when.splice(0, this.#voice.values.number(1, 3));
    const led = early.map((name) => this.#part(name)).join(this.#voice.pick([' ', ' ', ', ']));
    const late = [...when, ...where, ...what];
    const asked = `${this.#voice.pick(LED)} ${this.#voice.pick(this.#kind.things)}`;
    const told = [asked, ...late.map((name) => this.#part(name))].join(' ');
    return led === '' ? told : `${capital(led)}${this.#voice.pick([' ', ' ', ', '])}${told}`;
  }

  /** "tomorrow at 8:10", "at 23:15 tonight". */
  #dayAndTime() {
    const parts = ['date', 'time'].map((name) => this.#part(name));
    return (this.#voice.chance(0.5) ? parts : parts.toReversed()).join(' ');
  }

  /** Where it is, with no word around it; a city alone needs its "in", or it is taken for a name. */
  #place(given) {
    const named = this.#kind.slots.to ? 'to' : this.#kind.named;
    if (!given.includes(named)) return given.includes('city') ? [this.#part('city')] : [];
    return [named, 'city'].filter((name) => given.includes(name)).map((name) => this.#wanted[name]);
  }

  /** Often the day and the time, or the rooms and the nights, are one piece: "noon on Sunday", "Friday at 8", "2 rooms for 3 nights". */
  #whenTogether(given, parts) {
    const pieces = [...parts];
    const named = given.filter((name) => name !== (this.#kind.slots.to ? 'to' : this.#kind.named) && name !== 'city');
    for (const pair of [
      ['date', 'time'],
      ['rooms', 'nights'],
    ]) {
      const [a, b] = pair.map((name) => named.indexOf(name));
      if (a < 0 || b < 0 || !this.#voice.chance(0.7)) continue;
      const [early, late] = this.#voice.chance(0.5) ? [a, b] : [b, a];
      pieces[a] = `${pieces[early]} ${pieces[late]}`;
      pieces[b] = '';
    }
    return pieces;
  }

  /** Asks for something good instead of naming it: the seedling knows none. */
  #openBlindly() {
    const city = this.#voice.chance(0.6) ? ['city'] : [];
    this.#user(`${this.#voice.pick(this.#kind.unknown)}${city.map((name) => ` ${this.#part(name)}`).join('')}`);
    this.#take(city);
    this.#knowsNone();
  }
  #knowsNone() {
    this.#talk.agent(
      `Sorry, I know no ${this.#kind.named}s, so please name one. ${ended(this.#kind.state(this.#said), `At which ${this.#kind.named}?`)}`,
    );
  }

  /** Gives what was asked for, with other things or without, or something else instead. */
  #tell() {
    const asked = this.#missing[0];
    const others = this.#voice.values.shuffle(
      this.#names.filter((name) => name !== asked && this.#said[name] === undefined),
    );
    const roll = this.#voice.values.number(1, 100);
    if (roll <= 60 || others.length === 0) {
      // As it is asked for, the value alone is what is said most.
      const shape = this.#voice.chance(0.3) ? '{v}' : this.#voice.pick(this.#kind.slots[asked].answer ?? ['{v}']);
      const answer = fill(shape, this.#wanted[asked]);
      if (this.#voice.chance(0.06)) this.#user(this.#inOneBreath(asked));
      else this.#user(answer);
      return this.#take([asked]);
    }
    const pair = [this.#kind.named, 'city'];
    if (pair.includes(asked) && pair.some((name) => others.includes(name)) && this.#voice.chance(0.4)) {
      const joint = this.#voice.pick([' in ', ' in ', ', ']);
      this.#user(`${this.#voice.pick(['', '', 'at '])}${pair.map((name) => this.#wanted[name]).join(joint)}`);
      return this.#take(pair);
    }
    if (['date', 'time'].every((name) => name === asked || others.includes(name)) && this.#voice.chance(0.5)) {
      this.#user(this.#dayAndTime());
      return this.#take(['date', 'time']);
    }
    // A number alone is the only number that is still wanting, whatever was asked.
    const counts = this.#missing.filter((name) => ['people', 'rooms', 'nights'].includes(name));
    if (counts.length === 1 && counts[0] !== asked && this.#voice.chance(0.25)) {
      this.#user(fill('{v}', this.#wanted[counts[0]]));
      return this.#take(counts);
    }
    const names =
      roll <= 80
        ? this.#voice.values.shuffle([asked, ...others.slice(0, this.#voice.values.number(1, 3))])
        : others.slice(0, this.#voice.values.number(1, 2));
    this.#user(
      `${names.map((name) => this.#part(name)).join(this.#voice.pick([', ', ' ', ' and ']))}${this.#voice.pick(['', ' please'])}`,
    );
    return this.#take(names);
  }

  /** What comes first is taken back at once. */
  #inOneBreath(name) {
    const slot = this.#kind.slots[name];
    const first = fill(this.#voice.pick(slot.answer), this.#make(name));
    const second = fill(this.#voice.pick(slot.fragment), this.#wanted[name]);
    return this.#voice
      .pick(CORRECTIONS.breath)
      .replace('{a}', () => first)
      .replace('{f}', () => second);
  }

  #correct() {
    const known = Object.keys(this.#said);
    const recent = this.#last.filter((name) => known.includes(name));
    const places = known.filter((item) => [this.#kind.named, 'city', 'to', 'from'].includes(item));
    const name = this.#voice.pick(
      recent.length > 0 && this.#voice.chance(0.4)
        ? recent
        : places.length > 0 && this.#voice.chance(0.35)
          ? places
          : known,
    );
    const old = this.#said[name];
    const slot = this.#kind.slots[name];
    const back = this.#before[name];
    const value =
      back && this.#voice.chance(0.3) ? back : places.includes(name) ? this.#nearby(name) : this.#make(name);
    this.#before[name] = old;
    const bare = recent.length === 1 && recent[0] === name;
    const vague =
      (name === 'time' && !/[:.mh]|past|to |noon|clock|in the|now/i.test(value)) || (name === 'people' && !bare);
    // A name alone is another restaurant, hotel or destination, unless a city was said last.
    const unclear = vague || (places.includes(name) && recent.some((item) => places.includes(item) && item !== name));
    const shown = unclear ? slot.fragment.filter((shape) => shape !== '{v}') : slot.fragment;
    const fragment = fill(this.#voice.pick(shown), value);
    const other = known.filter((item) => item !== name);
    const roll = this.#voice.values.number(1, 100);
    const form = this.#voice.pick(
      roll <= 50
        ? CORRECTIONS.fragment
        : roll <= 65
          ? CORRECTIONS.sentence
          : roll <= 83
            ? CORRECTIONS.contrast
            : CORRECTIONS.labelled,
    );
    const sentence = fill(this.#voice.pick(slot.instead ?? slot.fragment), value);
    const put = (shape, shown) =>
      shape.replace(
        /\{(\w)\}/g,
        (_, key) => ({ f: shown, s: sentence, v: value, o: old, l: this.#style(this.#voice.pick(slot.label)) })[key],
      );
    this.#said[name] = value;
    this.#last = [name];
    if (roll <= 50 && other.length > 0 && this.#voice.chance(0.4)) {
      const second = this.#voice.pick(other);
      this.#before[second] = this.#said[second];
      this.#said[second] = this.#make(second);
      const also = this.#phrase(this.#kind.slots[second].fragment, this.#said[second]);
      const both = this.#voice.chance(0.35) ? CORRECTIONS.both : [form];
      this.#user(
        put(this.#voice.pick(both), `${fragment}${this.#voice.pick([' and ', ' and ', ', and ', ', '])}${also}`),
      );
    } else this.#user(put(form, bare && this.#voice.chance(0.4) ? value : fragment));
    this.#repeat();
  }

  /** Another place, now and then one that is called almost the same. */
  #nearby(name) {
    const old = this.#said[name];
    const made = this.#make(name);
    if (!this.#voice.chance(0.2)) return made;
    const number = this.#style(String(this.#voice.values.number(1, 999)));
    const word = this.#style(this.#voice.values.word());
    // Or the same beginning with another end: "Lindenplatz" and "Lindenhof".
    const grown = old.replace(
      /(\p{L}{3,5})\p{L}*$/u,
      `$1${word.toLowerCase().slice(-this.#voice.values.number(2, 5))}`,
    );
    const near = /\d/.test(old)
      ? old.replace(/\d+/, number)
      : this.#voice.chance(0.4)
        ? this.#style(grown)
        : old.replace(/ [^ ]+$/, ` ${word}`);
    return near === old ? made : near;
  }

  #recall() {
    const name = this.#voice.pick(Object.keys(this.#said));
    const label = this.#voice.pick(this.#kind.slots[name].label);
    this.#user(
      this.#voice.pick([
        `Which ${label} did I say?`,
        `What ${label} did I give you?`,
        `What ${label} do you have?`,
        `Can you repeat the ${label}?`,
        `What was the ${label} again?`,
        `Which ${label} is it?`,
      ]),
    );
    this.#talk.agent(ended(`You said: ${this.#said[name]}`));
  }

  #aside() {
    const roll = this.#voice.values.number(1, 100);
    const known = Object.keys(this.#said).length;
    if (roll <= 55 && known > 0) return this.#correct();
    if (roll <= 63 && known > 0) return this.#recall();
    if (roll <= 69) {
      this.#user(
        this.#voice.pick([
          'Can you repeat that?',
          'What do you have so far?',
          'Say it again',
          'Sorry?',
          'What?',
          'Pardon?',
          'Please repeat',
          ...SMALL_TALK.welcome.slice(0, 3),
          ...YES.slice(0, 3),
        ]),
      );
      return this.#repeat();
    }
    if (roll <= 76) {
      this.#talk.user(nonsense(this.#voice.values));
      return this.#talk.agent(`Sorry, I did not understand that. ${this.#question}`);
    }
    if (roll <= 82 && this.#kind.unknown && this.#missing[0] === this.#kind.named) {
      this.#user(this.#voice.pick(UNDECIDED));
      return this.#knowsNone();
    }
    if (roll <= 90) {
      this.#talk.user(this.#voice.factAbout(this.#said[this.#kind.named] ?? this.#said.to ?? this.#said.city ?? 'it'));
      return this.#talk.agent(REPLIES.fact);
    }
    const [message, reply] = this.#voice.chance(0.7)
      ? this.#voice.beyond()
      : this.#voice.smallTalk(['who', 'can', 'hello']);
    this.#talk.user(message);
    return this.#talk.agent(reply);
  }

  run() {
    this.#open();
    const restless = this.#voice.pick([0, 0.1, 0.2, 0.4]);
    while (this.#missing.length > 0) {
      if (this.#voice.chance(restless)) this.#aside();
      else {
        this.#tell();
        this.#repeat();
      }
    }
    while (this.#voice.chance(0.62)) {
      if (this.#voice.chance(0.25)) {
        this.#user(this.#voice.pick(NO));
        this.#talk.agent('What should I change?');
        this.#correct();
      } else if (this.#voice.chance(0.85)) this.#correct();
      else this.#aside();
    }
    if (this.#voice.chance(0.06)) {
      this.#user(this.#voice.pick(CANCEL));
      this.#talk.agent(CANCELLED);
      return;
    }
    this.#user(this.#voice.pick(YES));
    this.#talk.agent(this.#kind.booked);
    // Second thoughts, after all.
    if (this.#voice.chance(0.15)) {
      this.#correct();
      this.#user(this.#voice.pick(YES));
      this.#talk.agent(this.#kind.booked);
    }
  }
}
