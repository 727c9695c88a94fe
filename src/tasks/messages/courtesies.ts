// Owns what is said in mails beside the matter, in ten languages: greetings, closings, what mail programs write above a quoted message. Must not know models.

const GREETINGS = [
  'hi|hello|hey|dear|good (?:morning|afternoon|evening|day)|greetings|to whom it may concern',
  'hallo|guten (?:tag|morgen|abend)|sehr geehrte[rs]?|liebe[rs]?|moin|servus|grüß gott',
  'bonjour|bonsoir|salut|cher|chère|chers|madame|monsieur',
  'hola|buenos días|buenas(?: tardes| noches)?|estimad[oa]s?|querid[oa]s?',
  'olá|oi|bom dia|boa (?:tarde|noite)|prezad[oa]s?|car[oa]s?',
  'ciao|buongiorno|buonasera|salve|gentil[ei]|egregi[oa]?|spett(?:abil[ei]|\\.le)',
  'beste|geachte|goede(?:morgen|middag|navond|ndag)|dag',
  'dzień dobry|witam|cześć|szanown[yia](?: państwo| panie| pani)?',
  'hej|god (?:morgon|dag|kväll)|bästa',
  'merhaba|selam|sayın|iyi (?:günler|akşamlar)|günaydın',
].join('|');

const CLOSINGS = [
  '(?:best|kind|warm|many|with kind|with best) (?:regards|wishes)|regards|yours (?:sincerely|faithfully|truly)|sincerely(?: yours)?|cheers|best|sent from my .{1,40}|have a (?:nice|good|great) day',
  '(?:mit )?(?:freundlichen?|vielen?|besten?|lieben?|herzlichen?|schönen?) (?:grüßen?|grüssen?|gruß|gruss)|mfg|lg|vg|hochachtungsvoll|von meinem .{1,40} gesendet',
  'cordialement|bien (?:cordialement|à vous)|(?:sincères |meilleures |mes )?salutations(?: distinguées)?|envoyé de(?:puis)? mon .{1,40}|bonne journée',
  '(?:un )?(?:cordial )?saludos?(?: cordiales)?|atentamente|enviado desde mi .{1,40}',
  'atenciosamente|cumprimentos|(?:com os )?(?:melhores )cumprimentos|att\\.?|abraços?|enviado do meu .{1,40}',
  '(?:cordiali|distinti) saluti|saluti|cordialmente|inviato da(?:l mio)? .{1,40}',
  '(?:met )?(?:vriendelijke|hartelijke) groet(?:en)?|mvg|groetjes?|groeten?|verstuurd vanaf .{1,40}',
  'z (?:poważaniem|wyrazami szacunku)|pozdrawiam(?: serdecznie)?|pozdrowienia',
  '(?:med )?(?:vänliga?|bästa) hälsning(?:ar)?|mvh|hälsningar|skickat från min .{1,40}',
  'saygılar(?:ımla|ımızla)?|iyi günler(?: dilerim)?|sevgiler',
].join('|');

const THANKS = [
  '(?:many )?thanks(?: (?:a lot|so much|very much))?(?: in advance)?|thank you(?: (?:so much|very much))?(?: in advance)?(?: for (?:your )?(?:help|time|support|attention))?|thx',
  '(?:vielen|besten|herzlichen|lieben) dank(?: im voraus)?|danke(?: (?:schön|sehr|im voraus))?(?: im voraus)?',
  "merci(?: (?:beaucoup|bien|d’avance|d'avance|par avance))?(?: d[’']avance| par avance)?",
  '(?:muchas |mil )?gracias(?: de antemano| por adelantado)?|(?:muito )?obrigad[oa](?: desde já)?|(?:mille )?grazie(?: mille| in anticipo)?',
  '(?:alvast )?(?:heel )?(?:hartelijk )?(?:bedankt|dank(?: u| je)?(?: wel)?)(?: alvast)?|(?:z góry )?dziękuję(?: z góry)?|tack(?: på förhand| så mycket)?|(?:şimdiden )?teşekkür(?:ler| ederim)',
].join('|');

const EDGE = String.raw`(?![\p{L}\p{N}])`;
/** Names behind a greeting or a closing: some words, none of them of a question. */
const NAMES = String.raw`(?:[ \t]+[\p{L}.'’-]+){0,5}`;

/** A greeting at the beginning: the words, whom they greet, and the comma or mark behind. */
export const GREETING = new RegExp(
  String.raw`^\s*(?:${GREETINGS})${EDGE}${NAMES}[ \t]*(?:[,!:;–-]+|\.(?=\s)|(?=\n)|$)`,
  'iu',
);
/** The same without a mark behind, where only the one word greets: "Hi where is my parcel". */
export const BARE_GREETING = new RegExp(
  String.raw`^\s*(?:hi|hello|hey|hallo|hola|bonjour|olá|oi|ciao|hej|merhaba)${EDGE}(?:[ \t]+(?:there|all|team|zusammen))?[ \t]+`,
  'iu',
);
/** A line that closes a mail: what follows is the sender's name and address. */
export const CLOSING = new RegExp(
  String.raw`^[ \t]*(?:(?:${THANKS})[ \t,.!]*(?:and|und|et|y|e|en|i|och)?[ \t]*)?(?:${CLOSINGS})${EDGE}[ \t]*[,.!]*[ \t]*${NAMES}[ \t,.!]*$`,
  'iu',
);
/** A sentence that only thanks: "Thank you in advance, Ann". */
export const THANKING = new RegExp(
  String.raw`^\s*(?:${THANKS})${EDGE}[ \t]*(?:[,.!–-]+(?:\s*[\p{Lu}][\p{L}.'’-]*){0,3}|(?:[ \t]+\p{Lu}[\p{L}.'’-]*){0,2})[\s.!,]*$|^\s*(?:${THANKS})[\s.!,]*$`,
  'iu',
);
/** The usual line above a signature, and the line with which a mail program announces the message that is answered. */
export const SIGNATURE = /^-- ?$/u;
export const QUOTED =
  /^(?:-{2,}\s*(?:original message|forwarded message|ursprüngliche nachricht|message d'origine|mensaje original|mensagem original|messaggio originale|oorspronkelijk bericht|wiadomość oryginalna|ursprungligt meddelande)\s*-{2,}|(?:on|am|le|el|em|il|op|w dniu|den)\s.{4,200}\s(?:wrote|schrieb|a écrit|escribió|escreveu|ha scritto|schreef|napisał\(a\)|napisał|skrev)(?:\s.{0,80})?\s?:|(?:from|von|de|da|van|od|från|kimden)\s?:\s.{3,200})\s*$/iu;
