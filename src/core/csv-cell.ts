// Owns writing cells of separated values. Source: RFC 4180; OWASP, CSV injection.

/** What spreadsheets take for a formula, but for plain numbers. */
const FORMULA = /^[=+\-@\t\r\n](?!\d[\d.,]*$)/;

/** A text that a spreadsheet would compute gets an apostrophe before it, by which it is taken for text. */
export function withoutFormula(text: string): string {
  return FORMULA.test(text) ? `'${text}` : text;
}

/** Cells as a line, in quotes where they need them. */
export function csvLine(cells: readonly string[], separator: string): string {
  const written = cells.map((text) => {
    const quoted = text.includes(separator) || /["\r\n]|^\s|\s$/.test(text);
    return quoted ? `"${text.replaceAll('"', '""')}"` : text;
  });
  return `${written.join(separator)}\r\n`;
}
