import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = `${root}docs/decisions/`;
// the test of new:domain runs this folder in a copy of the code without docs
const isCheckout = existsSync(`${root}README.md`);
const files = isCheckout ? readdirSync(folder).sort() : [];
const pages = files.filter((file) => file !== 'README.md');

const status = /^Status: ((?:accepted|superseded by \[(\d{4})\]\((\2-[\w-]+\.md)\)), \d{4}-\d{2}-\d{2})$/;

describe.skipIf(!isCheckout)('the decisions', () => {
  test('are numbered without gaps', () => {
    expect(pages.length).toBeGreaterThan(0);
    expect(pages.map((file) => file.slice(0, 5))).toEqual(
      pages.map((_, index) => `${String(index + 1).padStart(4, '0')}-`),
    );
  });

  test('state their number, status, and date, as listed in the README', () => {
    const rows = pages.map((file) => {
      const [title = '', blank, line = ''] = readFileSync(`${folder}${file}`, 'utf8').split('\n');
      const [, number, name] = /^# (\d{4}) (.+)$/.exec(title) ?? [];
      const [, stated, , successor] = status.exec(line) ?? [];
      expect([file, blank, stated]).toEqual([`${number}-${file.slice(5)}`, '', expect.any(String)]);
      if (successor) expect(files).toContain(successor);
      return `| [${number}](${file}) ${name} | ${stated} |`;
    });
    const index = readFileSync(`${folder}README.md`, 'utf8').split('\n');
    expect(index.filter((line) => /^\| \[/.test(line))).toEqual(rows);
  });
});
