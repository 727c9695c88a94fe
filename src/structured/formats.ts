// Owns the formats of strings as regular expressions. Each accepts only what validators accept; some accept less, in its usual spelling.
// Sources: RFC 3339 (dates, times), RFC 3986 (URIs), RFC 5321 (e-mail), RFC 4291 (IPv6), RFC 9562 (UUIDs), RFC 3339, appendix A (durations).

const LEAP_YEAR = '(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)';
const MONTH_DAY =
  '(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))';
const DATE = `(?:[0-9]{4}-${MONTH_DAY}|${LEAP_YEAR}-02-29)`;
const OFFSET = '(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])';
// Leap seconds come at the end of a day in UTC; those told in other zones are left out.
const LEAP_SECOND = '23:59:60(?:\\.[0-9]+)?(?:[Zz]|[+-]00:00)';
const TIME = `(?:(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]+)?${OFFSET}|${LEAP_SECOND})`;
const LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?';
const MAILBOX = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
const MAIL_LABEL = '[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?';
const BYTE = '(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])';
const IPV4 = `${BYTE}(?:\\.${BYTE}){3}`;
const H = '[0-9A-Fa-f]{1,4}';
const IPV6 = [
  `(?:${H}:){7}${H}`,
  `(?:${H}:){1,7}:`,
  ...[1, 2, 3, 4, 5, 6].map((after) => `(?:${H}:){1,${7 - after}}(?::${H}){1,${after}}`),
  `:(?::${H}){1,7}`,
  '::',
  // The last 32 bits as an IPv4 address.
  `(?:${H}:){6}${IPV4}`,
  `::(?:${H}:){0,5}${IPV4}`,
  ...[1, 2, 3, 4].map((after) => `(?:${H}:){1,${5 - after}}(?::${H}){1,${after}}:${IPV4}`),
  `(?:${H}:){1,5}:${IPV4}`,
].join('|');
// RFC 3986, appendix A; with `more` characters it is RFC 3987.
const IP_LITERAL = `\\[(?:${IPV6}|v[0-9A-Fa-f]+\\.[A-Za-z0-9._~!$&'()*+,;=:-]+)\\]`;
function reference(more: string, query: string) {
  const escaped = '%[0-9A-Fa-f]{2}';
  const character = `(?:[A-Za-z0-9._~!$&'()*+,;=:@${more}-]|${escaped})`;
  const name = `(?:[A-Za-z0-9._~!$&'()*+,;=${more}-]|${escaped})*`;
  const user = `(?:[A-Za-z0-9._~!$&'()*+,;=:${more}-]|${escaped})*`;
  const authority = `(?:${user}@)?(?:${IP_LITERAL}|${name})(?::[0-9]*)?`;
  const rest = `(?:\\?(?:[A-Za-z0-9._~!$&'()*+,;=:@/?${more}${query}-]|${escaped})*)?(?:#(?:${character}|[/?])*)?`;
  const absolute = `/(?:${character}+(?:/${character}*)*)?`;
  const withAuthority = `//${authority}(?:/${character}*)*`;
  const rootless = `${character}+(?:/${character}*)*`;
  const noColon = `(?:[A-Za-z0-9._~!$&'()*+,;=@${more}-]|${escaped})+(?:/${character}*)*`;
  const scheme = '[A-Za-z][A-Za-z0-9+.-]*:';
  const rooted = `${withAuthority}|${absolute}`;
  return {
    whole: `^${scheme}(?:${rooted}|${rootless})${rest}$`,
    relative: `^(?:(?:${scheme})?(?:${rooted})|${scheme}${rootless}|${noColon}|)${rest}$`,
  };
}
const uri = reference('', '');
/** Characters themselves instead of escapes: it stands in the pattern many times, and patterns have a longest length. */
const ranges = (...pairs: [number, number][]) =>
  pairs.map(([low, high]) => `${String.fromCodePoint(low)}-${String.fromCodePoint(high)}`).join('');
const planes = Array.from({ length: 14 }, (_, i): [number, number] => [(i + 1) << 16, ((i + 1) << 16) + 0xfffd]);
const iri = reference(ranges([0xa0, 0xd7ff], [0xf900, 0xfdcf], [0xfdf0, 0xffef], ...planes), ranges([0xe000, 0xf8ff]));

const VARIABLE_CHARACTER = '(?:[A-Za-z0-9_]|%[0-9A-Fa-f]{2})';
const VARIABLE = `${VARIABLE_CHARACTER}(?:\\.?${VARIABLE_CHARACTER})*(?::[1-9][0-9]{0,3}|\\*)?`;
const TEMPLATE = `(?:[^\\u0000- "'<>%\\\\^\`{|}]|%[0-9A-Fa-f]{2}|\\{[+#./;?&=,!@|]?${VARIABLE}(?:,${VARIABLE})*\\})*`;

/** Regular expressions that every dialect reads alike; groups up to two deep. */
function expression(depth: number): string {
  const special = '\\\\[dDwWsSnrtfv.*+?^$(){}|/\\[\\]\\\\-]';
  const member = `(?:[^\\]\\[\\\\^-]|${special})`;
  const set = `\\[\\^?(?:a-z|A-Z|0-9|a-f|A-F|${member})+-?\\]`;
  const group = depth > 0 ? `|\\((?:\\?:)?${expression(depth - 1)}\\)` : '';
  const atom = `(?:[^\\\\.*+?^$(){}|\\[\\]]|\\.|${special}|${set}${group})`;
  // Numbers of more digits, or more tens, are larger ones.
  const digits = (from: number) => Array.from({ length: 10 - from }, (_, i) => from + i);
  const ascending = [
    ...digits(0).map((digit) => `${digit},[${digit}-9]`),
    ...digits(1)
      .slice(0, -1)
      .map((digit) => `${digit}[0-9],[${digit + 1}-9][0-9]`),
  ].join('|');
  const counts = `\\{(?:[0-9]{1,3},?|[0-9],[1-9][0-9]{1,2}|[0-9]{2},[1-9][0-9]{2}|${ascending})\\}`;
  const term = `${atom}(?:(?:[*+?]|${counts})\\??)?`;
  return `\\^?(?:${term}|\\$?\\|\\^?)*\\$?`;
}

const N = '[0-9]+';
const CLOCK = `(?:${N}H(?:${N}M(?:${N}S)?)?|${N}M(?:${N}S)?|${N}S)`;

/** By name: an anchored regular expression. */
export const formats: ReadonlyMap<string, string> = new Map([
  ['date', `^${DATE}$`],
  ['time', `^${TIME}$`],
  ['date-time', `^${DATE}[Tt]${TIME}$`],
  ['duration', `^P(?:${N}W|(?:${N}Y(?:${N}M(?:${N}D)?)?|${N}M(?:${N}D)?|${N}D)(?:T${CLOCK})?|T${CLOCK})$`],
  ['email', `^${MAILBOX}(?:\\.${MAILBOX})*@(?:${MAIL_LABEL}\\.)+${MAIL_LABEL}$`],
  ['hostname', `^(?=.{1,253}$)${LABEL}(?:\\.${LABEL})*$`],
  ['ipv4', `^${IPV4}$`],
  ['ipv6', `^(?:${IPV6})$`],
  ['uuid', '^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$'],
  ['uri', uri.whole],
  ['uri-reference', uri.relative],
  ['iri', iri.whole],
  ['iri-reference', iri.relative],
  ['uri-template', `^${TEMPLATE}$`],
  ['regex', `^${expression(2)}$`],
  ['relative-json-pointer', '^(?:0|[1-9][0-9]*)(?:#|(?:/(?:[^~/]|~[01])*)*)$'],
  ['idn-email', `^${MAILBOX}(?:\\.${MAILBOX})*@(?:${MAIL_LABEL}\\.)+${MAIL_LABEL}$`],
  ['idn-hostname', `^(?=.{1,253}$)${LABEL}(?:\\.${LABEL})*$`],
  ['json-pointer', '^(?:/(?:[^~/]|~[01])*)*$'],
]);
