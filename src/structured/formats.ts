// Owns the formats of strings as regular expressions. Each accepts only what validators accept; some accept less, in its usual spelling.
// Sources: RFC 3339 (dates, times), RFC 3986 (URIs), RFC 5321 (e-mail), RFC 4291 (IPv6), RFC 9562 (UUIDs), ISO 8601 (durations).

const LEAP_YEAR = '(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)';
const MONTH_DAY =
  '(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))';
const DATE = `(?:[0-9]{4}-${MONTH_DAY}|${LEAP_YEAR}-02-29)`;
const TIME = '(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])';
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
].join('|');
const URI_CHARACTER = "(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})";
const PATH = `(?:/${URI_CHARACTER}*)*`;
const QUERY = `(?:\\?(?:${URI_CHARACTER}|[/?])*)?(?:#(?:${URI_CHARACTER}|[/?])*)?`;
const HOST = `(?:${MAIL_LABEL}(?:\\.${MAIL_LABEL})*)`;
const PORT = '(?::[0-9]{1,5})?';
const URI = `(?:[A-Za-z][A-Za-z0-9+.-]*://(?:[A-Za-z0-9._~-]+@)?${HOST}${PORT}${PATH}|(?:mailto|urn|tel|data):${URI_CHARACTER}+)${QUERY}`;

const N = '[0-9]{1,9}';
const CLOCK = `(?:${N}H(?:${N}M)?(?:${N}S)?|${N}M(?:${N}S)?|${N}S)`;

/** By name: an anchored regular expression. */
export const formats: ReadonlyMap<string, string> = new Map([
  ['date', `^${DATE}$`],
  ['time', `^${TIME}$`],
  ['date-time', `^${DATE}T${TIME}$`],
  ['duration', `^P(?:${N}W|(?:${N}Y(?:${N}M)?(?:${N}D)?|${N}M(?:${N}D)?|${N}D)(?:T${CLOCK})?|T${CLOCK})$`],
  ['email', `^${MAILBOX}(?:\\.${MAILBOX})*@(?:${MAIL_LABEL}\\.)+${MAIL_LABEL}$`],
  ['hostname', `^(?=.{1,253}$)${LABEL}(?:\\.${LABEL})*$`],
  ['ipv4', `^${IPV4}$`],
  ['ipv6', `^(?:${IPV6})$`],
  ['uuid', '^[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$'],
  ['uri', `^${URI}$`],
  ['uri-reference', `^(?:${URI}|(?:/${URI_CHARACTER}+)+${QUERY})$`],
  ['json-pointer', '^(?:/(?:[^~/]|~[01])*)*$'],
]);
