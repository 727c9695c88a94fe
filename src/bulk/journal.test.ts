import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { Random } from '../core/random.ts';
import { Journal } from './journal.ts';

const folder = mkdtempSync(join(tmpdir(), 'onebit-journal-'));
afterAll(() => rmSync(folder, { recursive: true }));
let count = 0;
const newPath = () => join(folder, `${count++}.journal`);

async function recordsOf(path: string): Promise<unknown[]> {
  const records: unknown[] = [];
  const journal = await Journal.open(path, (record) => records.push(record));
  await journal.close();
  return records;
}

test('records come back in order, by their places too', async () => {
  const path = newPath();
  const journal = await Journal.open(path);
  const places = await Promise.all([{ a: 1 }, [2, 'zwei\n☂'], null].map((record) => journal.append(record)));
  expect(await journal.read(places[1])).toEqual([2, 'zwei\n☂']);
  await journal.close();
  expect(await recordsOf(path)).toEqual([{ a: 1 }, [2, 'zwei\n☂'], null]);
});

test('a file that ends anywhere gives all records that are whole, and takes more', async () => {
  const path = newPath();
  const journal = await Journal.open(path);
  const places = [];
  for (let i = 0; i < 20; i++) places.push(await journal.append({ i, text: 'x'.repeat(i) }));
  await journal.close();
  const whole = readFileSync(path);
  const random = new Random(7);
  for (let round = 0; round < 60; round++) {
    const at = Math.floor(random.uniform() * (whole.length + 1));
    const cut = newPath();
    writeFileSync(cut, whole.subarray(0, at));
    const again = await Journal.open(cut);
    await again.append('after');
    await again.close();
    const kept = places.filter(({ offsetBytes, lengthBytes }) => offsetBytes + lengthBytes <= at).length;
    const records = await recordsOf(cut);
    expect(records).toHaveLength(kept + 1);
    expect(records.at(-1)).toBe('after');
  }
});

test('a file that is no journal is refused and stays as it is', async () => {
  const path = newPath();
  for (const text of ['my notes\n', '{"a":1}\n', 'deadbeef']) {
    writeFileSync(path, text);
    if (text === 'deadbeef')
      await expect(recordsOf(path)).resolves.toEqual([]); // a first record may have been cut off there
    else {
      await expect(recordsOf(path)).rejects.toMatchObject({
        code: 'io',
        message: expect.stringContaining('Move it away'),
      });
      expect(readFileSync(path, 'utf8')).toBe(text);
    }
  }
});

test('a damaged record is passed over, those after it are not', async () => {
  const path = newPath();
  const journal = await Journal.open(path);
  for (const record of ['one', 'two', 'three']) await journal.append(record);
  await journal.close();
  writeFileSync(path, readFileSync(path, 'utf8').replace('two', 'tow'));
  expect(await recordsOf(path)).toEqual(['one', 'three']);
  appendFileSync(path, 'half a li');
  const bytes = statSync(path).size;
  expect(await recordsOf(path)).toEqual(['one', 'three']);
  expect(statSync(path).size).toBe(bytes - 'half a li'.length);
});

test('what cannot be written is said, and nothing is added after it', async () => {
  const path = newPath();
  const journal = await Journal.open(path);
  await journal.append('kept');
  const file = (journal as unknown as { file: { write: unknown } }).file;
  const write = file.write;
  file.write = () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' }));
  await expect(journal.append('lost')).rejects.toThrow(/disk is full/);
  file.write = write;
  await expect(journal.append('later')).rejects.toThrow(/disk is full/);
  await journal.close();
  expect(await recordsOf(path)).toEqual(['kept']);
});

test('records longer than what is read at once', async () => {
  const path = newPath();
  const journal = await Journal.open(path);
  const long = 'é'.repeat(1_500_000);
  for (const record of ['a', long, 'b']) await journal.append(record);
  await journal.close();
  expect((await recordsOf(path)).map((record) => (record as string).length)).toEqual([1, long.length, 1]);
  truncateSync(path, 1_000_000);
  expect(await recordsOf(path)).toEqual(['a']);
});
