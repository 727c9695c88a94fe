import { crc32, deflateRawSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { readQueries, readRows } from './rows.ts';

/** A ZIP file of deflated parts. */
function zip(parts: Record<string, string | Uint8Array>): Uint8Array {
  const local: Buffer[] = [];
  const central: Buffer[] = [];
  let at = 0;
  for (const [name, content] of Object.entries(parts)) {
    const bytes = Buffer.from(content as Uint8Array);
    const packed = deflateRawSync(bytes, { level: 9 });
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(8, 4);
    common.writeUInt32LE(crc32(bytes), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(bytes.length, 18);
    common.writeUInt16LE(name.length, 22);
    local.push(Buffer.from('PK\x03\x04'), common, Buffer.from(name), packed);
    const entry = Buffer.alloc(14);
    entry.writeUInt32LE(at, 10);
    central.push(Buffer.from('PK\x01\x02\x14\x00'), common, entry, Buffer.from(name));
    at += 30 + name.length + packed.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(central.length / 4, 4);
  end.writeUInt16LE(central.length / 4, 6);
  end.writeUInt32LE(directory.length, 8);
  end.writeUInt32LE(at, 12);
  return Buffer.concat([...local, directory, Buffer.from('PK\x05\x06'), end]);
}

/** A workbook of sheets of cells, as Excel lays them out; undefined is no cell. */
function workbook(sheets: Record<string, (string | number | undefined)[][]>): Record<string, string> {
  const main = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main';
  const office = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';
  const names = Object.keys(sheets);
  const cell = (value: string | number | undefined, at: string) => {
    if (value === undefined) return '';
    const text = String(value).replaceAll('&', '&amp;').replaceAll('<', '&lt;');
    return typeof value === 'number'
      ? `<c r="${at}"><v>${value}</v></c>`
      : `<c r="${at}" t="inlineStr"><is><t>${text}</t></is></c>`;
  };
  const parts: Record<string, string> = {
    '[Content_Types].xml': '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
    'xl/workbook.xml': `<workbook xmlns="${main}" xmlns:r="${office}"><sheets>${names
      .map((name, i) => `<sheet name="${name}" sheetId="${i + 1}" r:id="rId${i + 1}"/>`)
      .join('')}</sheets></workbook>`,
    'xl/_rels/workbook.xml.rels': `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">${names
      .map(
        (_, i) => `<Relationship Id="rId${i + 1}" Type="${office}/worksheet" Target="worksheets/sheet${i + 1}.xml"/>`,
      )
      .join('')}</Relationships>`,
  };
  Object.values(sheets).forEach((rows, i) => {
    const data = rows.map(
      (cells, r) =>
        `<row r="${r + 1}">${cells.map((value, c) => cell(value, `${'ABCDEF'[c]}${r + 1}`)).join('')}</row>`,
    );
    parts[`xl/worksheets/sheet${i + 1}.xml`] =
      `<worksheet xmlns="${main}"><sheetData>${data.join('')}</sheetData></worksheet>`;
  });
  return parts;
}

const rows = [
  ['id', 'Intent', 'Text'],
  [1, 'refund', 'money & <more>'],
  [],
  [2, 'hours', 'open?\nclosed?'],
  [3, 'orders', 4711],
];

test('rows of the first sheet that has the columns, with their row numbers', async () => {
  const bytes = zip(workbook({ Notes: [['hello']], Data: rows }));
  expect(await readRows(bytes, 'q.xlsx')).toEqual([
    { text: 'money & <more>', intent: 'refund', row: 2 },
    { text: 'open?\nclosed?', intent: 'hours', row: 4 },
    { text: '4711', intent: 'orders', row: 5 },
  ]);
  const { queries, table } = await readQueries(bytes, 'q.xlsx');
  expect([queries.length, table?.columns]).toEqual([3, ['id', 'Intent', 'Text']]);
});

test.each([
  [
    'other columns',
    workbook({ Data: [['query', 'label']] }),
    /must name the columns text and intent, got "query,label"/,
  ],
  ['a ZIP file that is no workbook', { 'a.txt': 'text,intent' }, /got another kind of file/],
  ['a workbook whose parts are damaged', { ...workbook({ Data: rows }), 'xl/workbook.xml': '<workbook' }, /must/],
  [
    'one that unpacks to more than a machine holds',
    { ...workbook({ Data: rows }), 'xl/sharedStrings.xml': new Uint8Array(140e6) },
    /unpacks to more than/,
  ],
])('%s is refused', async (_, parts, message) => {
  await expect(readRows(zip(parts as Record<string, string>), 'q.xlsx')).rejects.toThrow(message);
});

test.each([
  [
    'a formula that nobody computed',
    '<c r="C3"><f>A1&amp;B1</f><v></v></c>',
    /row 3: C3 is a formula whose value is not/,
  ],
  ['an error', '<c r="A3" t="e"><f>1/0</f><v>#DIV/0!</v></c>', /row 3: A3 shows the error #DIV\/0!/],
  ['a formula with its value', '<c r="A3"><f>1</f><v>1</v></c><c r="C3" t="str"><f>A1</f><v></v></c>', undefined],
  [
    'cells merged over rows',
    '</row></sheetData><mergeCells><mergeCell ref="AB2:AC3"/></mergeCells></worksheet>',
    /row 3: AB3 is merged with AB2/,
  ],
])('%s', async (_, cells, message) => {
  const parts = workbook({ Other: [['x']], Data: rows });
  const sheet = 'xl/worksheets/sheet2.xml';
  const [before, after] = parts[sheet].split('<row r="3">');
  parts[sheet] = `${before}<row r="3">${cells}${cells.endsWith('</worksheet>') ? '' : after}`;
  const read = readRows(zip(parts), 'q.xlsx');
  if (message)
    await expect(read).rejects.toMatchObject({ code: 'bad-argument', message: expect.stringMatching(message) });
  else expect((await read)[0].text).toBe('money & <more>');
});

test('a hidden sheet is read only where no other fits', async () => {
  const parts = workbook({
    Old: [
      ['text', 'intent'],
      ['gone', 'x'],
    ],
    Data: rows,
  });
  parts['xl/workbook.xml'] = parts['xl/workbook.xml'].replace('name="Old"', 'name="Old" state="hidden"');
  expect((await readRows(zip(parts), 'q.xlsx'))[0].text).toBe('money & <more>');
});

test('cut-off workbooks and those of old Excel are refused with advice', async () => {
  const whole = zip(workbook({ Data: rows }));
  await expect(readRows(whole.subarray(0, -30), 'q.xlsx')).rejects.toThrow(/damaged/);
  await expect(readRows(Uint8Array.from([0xd0, 0xcf, 0x11, 0xe0]), 'q.xls')).rejects.toThrow(/Save it as \.xlsx/);
});

test('what only its name calls a workbook is refused', async () => {
  await expect(readRows(Buffer.from('text,intent\na,b\n'), 'q.xlsx')).rejects.toMatchObject({ code: 'bad-file' });
});

test.each([-5, -0.2, 3e6, 1e12])(
  'a date of %d is none, and named by its row where its sheet is read',
  async (serial) => {
    const parts = workbook({ Data: [['intent', 'text'], ['a', 'b'], ['a', serial]], Other: [['x', serial]] }); // biome-ignore format: rows
    parts['xl/styles.xml'] =
      '<styleSheet><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>';
    for (const [i, place] of [
      [2, 'B1'],
      [1, 'B3'],
    ] as const) {
      // biome-ignore format: pairs
      const sheet = `xl/worksheets/sheet${i}.xml`;
      parts[sheet] = parts[sheet].replace(`<c r="${place}">`, `<c r="${place}" s="1">`);
      const read = readRows(zip(parts), 'q.xlsx');
      if (i === 2) expect(await read).toHaveLength(2);
      else await expect(read).rejects.toThrow(/row 3: a date is none of the calendar/);
    }
  },
);

test.each([
  [46085, '2026-03-04'],
  [46085.4375, '2026-03-04T10:30:00'],
  [0.385416666666667, '09:15:00'],
])('a date of %d is %s', async (serial, text) => {
  const parts = workbook({
    Data: [
      ['intent', 'text'],
      ['a', serial],
    ],
  });
  const main = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main';
  parts['xl/styles.xml'] =
    `<styleSheet xmlns="${main}"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>`;
  parts['xl/worksheets/sheet1.xml'] = parts['xl/worksheets/sheet1.xml'].replace('<c r="B2">', '<c r="B2" s="1">');
  expect((await readRows(zip(parts), 'q.xlsx')).map((row) => row.text)).toEqual([text]);
});

test('a workbook with damage that still unpacks is refused, not misread', async () => {
  const whole = zip(workbook({ Data: rows }));
  const at = (text: string) => Buffer.from(whole).indexOf(text);
  const [from, to] = [at('xl/worksheets/sheet1.xml') + 'xl/worksheets/sheet1.xml'.length, at('PK\x01\x02')];
  let read = 0;
  for (let i = from; i < to; i++) {
    const damaged = Uint8Array.from(whole);
    damaged[i] ^= 4;
    await readRows(damaged, 'q.xlsx').then(() => read++, () => {}); // biome-ignore format: short
  }
  expect(read).toBe(0);
});

test('a sheet of a chart alone has no cells', async () => {
  const parts = workbook({ Chart: [], Data: rows });
  const relations = 'xl/_rels/workbook.xml.rels';
  parts[relations] = parts[relations].replace('worksheet" Target="work', 'chartsheet" Target="chart');
  expect((await readRows(zip(parts), 'q.xlsx'))[0].text).toBe('money & <more>');
});

test('how the name of a sheet is written changes nothing', async () => {
  const parts = workbook({ Old: [['text', 'intent'], ['gone', 'x']], Data: rows }); // biome-ignore format: rows
  parts['xl/workbook.xml'] = parts['xl/workbook.xml']
    .replace('name="Old"', 'name="&#220;bung" state="hidden"')
    .replace('name="Data"', 'name="&#xDC;bersicht"');
  expect((await readRows(zip(parts), 'q.xlsx'))[0].text).toBe('money & <more>');
  const sheet = 'xl/worksheets/sheet2.xml';
  parts[sheet] = parts[sheet].replace('<row r="3">', '<row r="3"><c r="C3"><f>A1</f></c>');
  await expect(readRows(zip(parts), 'q.xlsx')).rejects.toThrow(/row 3: C3 is a formula/);
});

test.each([
  ['Latin-1', (text: string) => Buffer.from(text.replace('open?', 'öffnet?'), 'latin1'), /sheet1\.xml is not UTF-8/],
  ['UTF-16', (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le'), /sheet1\.xml is not UTF-8/],
  ['UTF-16 without a mark', (text: string) => Buffer.from(text, 'utf16le'), /sheet1\.xml is not UTF-8/],
  ['CDATA', (text: string) => text.replace('<t>refund</t>', '<t><![CDATA[refund]]></t>'), /'<!\[CDATA\[', which/],
  ['the number of an emoji', (text: string) => text.replace('open?', '&#x1F600;'), /'&#x1F600;', which is not read/],
  ['a DTD', (text: string) => `<!DOCTYPE a [<!ENTITY b "c">]>${text}`, /'<!DOCTYPE', which is not read/],
  ['cells without places', (text: string) => text.replaceAll(/<c r="\w+"/g, '<c'), /not laid out as Excel does/],
])('%s in a part is refused, not misread', async (_, change, message) => {
  const parts: Record<string, string | Uint8Array> = workbook({ Data: rows });
  parts['xl/worksheets/sheet1.xml'] = change(parts['xl/worksheets/sheet1.xml'] as string);
  await expect(readRows(zip(parts), 'q.xlsx')).rejects.toMatchObject({
    code: 'bad-file',
    message: expect.stringMatching(message),
  });
});

test.each([
  ['<row r="20000"><c r="XFD20000"><v>1</v></c></row>', /cells reach to XFD20000/],
  ['<row r="99999999"><c r="A99999999"><v>1</v></c></row>', /cells reach to 99999999/],
  [
    [...Array(2000)].map((_, i) => `<row r="${i + 9}"><c r="XFD${i + 9}" s="1"/></row>`).join(''),
    /cells reach to XFD2008/,
  ],
  ['<row r="20000"><c r="XFD20000" s="1"/></row>', undefined],
])(
  'few cells far away take no more memory than a table may',
  async (far, message) => {
    const parts = workbook({ Data: rows });
    const sheet = 'xl/worksheets/sheet1.xml';
    parts[sheet] = parts[sheet].replace('</sheetData>', `${far}</sheetData>`);
    const read = readRows(zip(parts), 'q.xlsx');
    if (message)
      await expect(read).rejects.toMatchObject({ code: 'bad-file', message: expect.stringMatching(message) });
    else expect(await read).toHaveLength(3);
  },
  10_000,
);

test.each([
  ['1', 42369, '2020-01-01'],
  ['true', 42369, '2020-01-01'],
  ['true', 0.5, '12:00:00'],
  ['1', 0.5, '12:00:00'],
  ['false', 43831, '2020-01-01'],
])('where date1904 is "%s", %d is %s', async (said, serial, text) => {
  const parts = workbook({ Data: [['intent', 'text'], ['a', serial]] }); // biome-ignore format: rows
  parts['xl/workbook.xml'] = parts['xl/workbook.xml'].replace('<sheets>', `<workbookPr date1904="${said}"/><sheets>`);
  parts['xl/styles.xml'] =
    '<styleSheet><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="22" applyNumberFormat="1"/></cellXfs></styleSheet>';
  parts['xl/worksheets/sheet1.xml'] = parts['xl/worksheets/sheet1.xml'].replace('<c r="B2">', '<c r="B2" s="1">');
  expect((await readRows(zip(parts), 'q.xlsx')).map((row) => row.text)).toEqual([text]);
});
