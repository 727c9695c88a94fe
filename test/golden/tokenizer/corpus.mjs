// The texts that tokenizers are compared on: shared by bench/golden/tokenizer-golden.mjs, which asks llama.cpp, and by the tests.

/** Texts by name. Lone surrogates are meant. */
export const texts = {
  empty: '',
  'one space': ' ',
  'plain English': 'The quick brown fox jumps over the lazy dog. It was 1984, and the clocks were striking thirteen!',
  contractions: "I'm you're he's we'll they'd I've don't I'M YOU'RE HE'S WE'LL THEY'D I'VE DON'T i'Ll 'Re 'tis ' s 's's'S 'ſ",
  'apostrophe at the ends': "'",
  'apostrophes before words': "'hello 'l 'v 'r 're 'ver ''s '''ll",
  digits: '0 12 123 1234 12345 1234567 3.14159 1e10 0xFF ٣٤٥٦ ५६७८ ½¾ Ⅷ ² ①②③ 12٣456 1٢3',
  'code in C': 'int main(void) {\n\tfor (int i = 0; i < 10; i++) {\r\n\t\tprintf("%d\\n", i);\n\t}\n    return 0; /* done */\n}\n',
  'code in Python': 'def f(x):\n    """Doc."""\n    return [y**2 for y in range(x) if y % 2 == 0]\n\n\n\nclass A(B):\n        pass',
  'code in TypeScript': "export const a = <T,>(x: T): T | undefined => x ?? undefined;\n// TODO?.[0]!==`${'x'}`\n",
  markdown: '# Title\n\n* item **bold** _it_ `code`\n\n```js\nlet a;\n```\n\n|a|b|\n|-|-|\n',
  'runs of spaces': 'a b  c   d    e        f                 g\t\th \t i  \n  j \n\n k\u00a0\u00a0l \u3000m\u2003\u2003n',
  'spaces at the ends': '   leading and trailing   ',
  'only spaces': '          ',
  'only tabs': '\t\t\t\t\t',
  newlines: 'a\nb\n\nc\n\n\nd\r\ne\r\n\r\nf\rg\r\rh\n\r\ni \n \n j\n   ',
  'other line breaks': 'a\u000bb\u000cc\u0085d\u2028e\u2029f \u0085 x',
  'characters that look like spaces': 'a\u200bb\u200c\u200dc\ufeffd\u180ee\u2060f\u00adg',
  controls: 'a\u0000b\u0001\u0002\u001b[31mred\u001b[0m\u007f\u0080\u009f',
  'German, French, Polish': 'Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. Où ça? L’œuvre. Zażółć gęślą jaźń.',
  Vietnamese: 'Tiếng Việt có nhiều dấu: ắ ằ ẳ ẵ ặ đ',
  Greek: 'Ξεσκεπάζω τὴν ψυχοφθόρα βδελυγμία.',
  Russian: 'Съешь же ещё этих мягких французских булок, да выпей чаю.',
  Georgian: 'გთხოვთ ახლავე გაიაროთ რეგისტრაცია',
  Armenian: 'Կրնամ ապակի ուտել և ինծի անհանգիստ չըներ։',
  Hebrew: 'שָׁלוֹם עוֹלָם, מה נשמע?',
  Arabic: 'السَّلَامُ عَلَيْكُمْ، كيف حالك؟ ١٢٣',
  Persian: 'می‌خواهم به خانه بروم ۱۲۳',
  Hindi: 'नमस्ते दुनिया, क्षत्रिय हिन्दी में लिखते हैं।',
  Bengali: 'আমি কাঁচ খেতে পারি, তাতে আমার কোনো ক্ষতি হয় না।',
  Tamil: 'நான் கண்ணாடி சாப்பிடுவேன்',
  Thai: 'ฉันกินกระจกได้ แต่มันไม่ทำให้ฉันเจ็บ ๑๒๓',
  Khmer: 'ខ្ញុំអាចញុំកញ្ចក់បាន',
  Burmese: 'ကျွန်တော် ကျွန်မ မှန်စားနိုင်တယ်။',
  Tibetan: 'ཤེལ་སྒོ་ཟ་ནས་ང་ན་གི་མ་རེད།',
  Amharic: 'ሰማይ አይታረስ ንጉሥ አይከሰስ።',
  Chinese: '我能吞下玻璃而不伤身体。人工智能正在改变世界！「你好」，2024年。𠀀𪚥',
  Japanese: '私はガラスを食べられます。それは私を傷つけません。カタカナ ﾊﾝｶｸ ー々〆',
  Korean: '나는 유리를 먹을 수 있어요. 그래도 아프지 않아요 ㅋㅋㅋ',
  'Korean in parts': '\u1112\u1161\u11ab\u1100\u1173\u11af',
  Cherokee: 'ᎣᏏᏲ ᏣᎳᎩ ꭰꭱꭲ',
  'ancient scripts': '𒀀𒁀𒂀 𓀀𓁐 𐌰𐌱𐌲 ᚠᚢᚦ 𐎀𐎁',
  'mathematical letters': '𝒜𝔅ℂ 𝟘𝟙𝟚 ∀x∈ℝ: ⌈x⌉ = −⌊−x⌋ ∑ᵢ₌₁ⁿ ²³',
  'combining marks': 'e\u0301 n\u0303 a\u0308\u0304 Z\u0351\u036b\u0343a\u0334\u0321l\u0337g\u0336o \u0301x 1\u20e3 ',
  'emoji sequences': '👨‍👩‍👧‍👦👩🏽‍💻🏳️‍🌈🏴󠁧󠁢󠁥󠁮󠁧󠁿🇩🇪🇫🇷🇺🇸🇺 👍🏿 ❤️‍🔥 1️⃣ ☺︎ ☺️ 🫠🫩',
  'emoji in text': 'Great job!!! 🎉🎉 see you 😀 tomorrow😅lol',
  'private use and unassigned': '\ue000\uf8ff \u0378 \u{e0000} \u{10fffd} \u{1fae9}\u{10d40} \u{1e5d0}x',
  symbols: '!@#$%^&*()_+-=[]{}|;:,.<>/?`~ ¡¿§±×÷€£¥©®™…–—“”‘’«»•†‡°µ¶',
  'long rows': '================================ -------------------------------- ................ !!!!!!!!!!!!!!!!',
  urls: 'https://www.example.com/path/to?q=1&b=%20x#frag user.name+tag@example.co.uk C:\\Windows\\System32',
  'mixed case': 'camelCaseWord PascalCase SCREAMING_SNAKE kebab-case iOS eBay mRNA',
  'letters and digits': 'abc123def 4th 2nd a1b2c3 v1.2.3-rc4 COVID-19 x²',
  'special tokens in text': '<|im_start|>system\nYou<|im_end|>\n<|endoftext|><s></s><unk><|eot_id|> <|im_end|',
  'added tokens in text': 'x<think>\nhm </think>\n<tool_call>{"a":1}</tool_call> <think',
  'fill-in-the-middle in text': '<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|><|fim_pad|><|repo_name|>r<|file_sep|>f',
  'byte tokens in text': '<0x0A> <0x41><0xFF> [PAD151669] [EMPTY_3]',
  'closing tag that llama.cpp takes for an end': 'x</s>y </s>',
  'lone surrogates': 'a\ud800b \udc00\udfff\udbff!\ud83d',
  'U+2581': '▁a ▁▁b▁ c',
  'byte alphabet': 'Ġthe Ċ ĉ Â Ã ÿ ð',
  'small vocabulary': 'of the cat of the the cats sat of<tool>the <tool> a<tool><tool>b <too <end> abcd abcabc ééé 世',
};

/** Texts for special: true besides those above. */
export const specialTexts = {
  chat: '<|im_start|>user\nHi!<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\nHello.<|im_end|>\n',
  'special tokens in a row': '<|im_end|><|im_end|><|endoftext|>',
  'inside a word': 'ab<|im_end|>cd</s>ef',
  'overlapping names': '<|im_<|im_end|>end|>',
};

/** Bytes in hexadecimal that are not UTF-8; no overlong forms, surrogates or code points past the last (llama.cpp lets those through). */
export const brokenBytes = {
  'a continuation alone': '80',
  'a lead alone': 'e2',
  'cut off at the end': '6162e282',
  'cut off inside': '61e28262 63',
  'four bytes cut off': 'f09f98',
  'lead before ASCII': 'e26162206364',
  'lead before a space': '61e2206162 20e2 2061 c3 20',
  'never valid': 'fefffffe',
  'mixed with text': '48656c6c6f20ff20776f726c64c3a9c3 28 e4b896e4b8 e7958c',
};

function randomLetters(letters, count, seed) {
  const all = [...letters];
  let state = seed;
  const out = [];
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    out.push(all[Math.floor((state / 2 ** 32) * all.length)]);
  }
  return out.join('');
}

/** About a million characters without a space each. Functions: they are made when needed. */
export const longTexts = {
  'one letter': () => 'a'.repeat(1_000_000),
  'two letters': () => 'ab'.repeat(500_000),
  'random letters': () => randomLetters('abcdefghijklmnopqrstuvwxyz', 1_000_000, 1),
  'random mixed': () => randomLetters('abcABC012!?._-äé世界😀', 700_000, 2),
  'random Chinese': () => randomLetters('的一是不了人我在有他这为之大来以个中上们', 400_000, 3),
  punctuation: () => '!'.repeat(1_000_000),
  spaces: () => ' '.repeat(1_000_000),
  newlines: () => '\n'.repeat(1_000_000),
};

/** Blocks of 4096 code points (planes 0, 1, 2, 3 and 14), each code point between letters, after a space and twice before a digit. */
export const codePointBlocks = [...Array(64).keys(), ...Array.from({ length: 16 }, (_, i) => 0xe0 + i)];
export function codePointText(block) {
  let text = '';
  for (let point = block * 4096; point < (block + 1) * 4096; point++) {
    if (point >= 0xd800 && point <= 0xdfff) continue;
    const c = String.fromCodePoint(point);
    text += `x${c}y ${c}${c}1 \t${c}\n`;
  }
  return text;
}

/** FNV-1a over the ids as 32-bit words, for lists too long to keep. */
export function hashTokens(tokens) {
  let hash = 0x811c9dc5;
  for (const token of tokens)
    for (let shift = 0; shift < 32; shift += 8) hash = Math.imul(hash ^ ((token >>> shift) & 255), 0x01000193);
  return `${tokens.length}:${(hash >>> 0).toString(16)}`;
}

/** A SentencePiece-style vocabulary with equal scores, a token with a space inside, added tokens and characters that are no tokens. */
export function smallVocabulary() {
  const tokens = [];
  const scores = [];
  const types = [];
  const add = (text, score, type = 1) => {
    tokens.push(text);
    scores.push(score);
    types.push(type);
  };
  add('<unk>', 0, 2);
  add('<s>', 0, 3);
  add('</s>', 0, 3);
  for (let byte = 0; byte < 256; byte++) add(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`, 0, 6);
  for (const text of ['▁t', 'he', '▁the', 'of', '▁of', '▁of▁the', 'at', 'cat', '▁c', '▁cat', 'ab', 'bc', 'cd', 'abc', 'éé'])
    add(text, -Math.floor(tokens.length / 3));
  for (const text of ['▁', 'a', 'b', 'c', 'd', 'e', 'f', 'h', 'o', 't', 's', '▁▁', '世', '<', '>']) add(text, -1000);
  add('<tool>', 0, 4);
  add('<end>', 0, 3);
  return { tokens, scores: Float32Array.from(scores), types: Int32Array.from(types) };
}

/** The vocabulary of Qwen 3 from the contents of its tokenizer.json, laid out as GGUF has it. */
export function qwenVocabulary(json) {
  const size = 151_669;
  const tokens = Array.from({ length: size }, (_, id) => `[PAD${id}]`);
  const types = new Int32Array(size).fill(5);
  for (const [text, id] of Object.entries(json.model.vocab)) {
    tokens[id] = text;
    types[id] = 1;
  }
  for (const { id, content, special } of json.added_tokens) {
    tokens[id] = content;
    types[id] = special ? 3 : 4;
  }
  return { tokens, types, merges: json.model.merges.map((merge) => (Array.isArray(merge) ? merge.join(' ') : merge)) };
}

/** Texts whose ids show where the splits of digits, letters, marks and spaces are, in the vocabulary below. */
export const splitTexts = [
  ...['1', '12', '123', '1231', '12312', '123123', '1231231', '12312312312', ' 123', '  123', ' 1231', '\t12', '\n123', 'a123', '123a', '12a12'],
  ...['a1', 'aa', 'aab', ' aa', '  aa', '   aa', ' \taa', '\taa', '\naa', 'aa  ', 'aa \n', 'aa\n\naa', '\r\naa', 'aa \n \n  aa', '     '],
  ...['!!', '!!!!', ' !!', '  !!', '!!aa', ' !aa', '!!12', '12!!', '!!\n', '!!\n\n', '!!\r\naa', '!! aa', '!!!aa!!', '+!+!', '`!`', '!`!!`'],
  ...["'s", "a's", "a'S", "'ss", "aa'saa", " 's", "''s", "'1", "a'll", "a'LL", "a'lla", "'re", "'rE", "12's", "!'s", "'s's"],
  ...['٣٣', '٣٣٣٣', '1٣', '٣1', '12٣123', '123٣123', '12٣', ' ٣٣', 'a٣', '٣a', '112٣1123', '½½', '²²', 'aé', 'éa', 'éé', ' éé', '!é', 'é!'],
  ...['hello', ' hello', 'hellohello', 'hello!', '123hello', '!hello', '\u0301a', 'a\u0301a', '\u00a0a', '\u00a0\u00a0a', '\u3000!', ' \u3000 !'],
];

/** A byte-level vocabulary in which 1, 2, 3, a, ', !, space and others merge with each other wherever a split lets them. */
export function splitVocabulary() {
  const tokens = [];
  const characters = [];
  for (let byte = 0, others = 0; byte < 256; byte++) {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte !== 0xad);
    characters[byte] = String.fromCharCode(printable ? byte : 0x100 + others++);
    tokens.push(characters[byte]);
  }
  const merges = [];
  const merge = (left, right) => {
    if (tokens.includes(left + right)) return;
    merges.push(`${left} ${right}`);
    tokens.push(left + right);
  };
  // Characters of several bytes first, so that they merge as units.
  const units = [...'123ahelorsSL\'!`+ \t\n\r'].map((c) => characters[c.charCodeAt(0)]);
  for (const character of '٣é½²\u0301\u00a0') {
    const [left, right] = [...Buffer.from(character)].map((byte) => characters[byte]);
    merge(left, right);
    units.push(left + right);
  }
  for (const left of units) for (const right of units) merge(left, right);
  for (const left of ['12', '11', '31', '23', 'aa', '!!', '٣٣'.replaceAll('٣', units[units.length - 6])])
    for (const right of units) merge(left, right);
  for (const digits of ['123', '231', '312']) for (const digit of '123') merge(digits, digit);
  tokens.push('hello');
  return { tokens, merges, types: new Int32Array(tokens.length).fill(1) };
}
