import fc from 'fast-check';
import { expect, test } from 'vitest';
import { instant, instantMicros } from '../../shared/kernel/instant.ts';

const both = (text: string) => [instantMicros.safeParse(text).data, instant.safeParse(text).data?.toISOString()];

test.each([
  ['2021-07-31', '2021-07-31T00:00:00.000Z'],
  ['2017-06-23 21:05:06', '2017-06-23T21:05:06.000Z'],
  ['2017-06-23 21:05', '2017-06-23T21:05:00.000Z'],
  ['2025-06-27T04:12:47.613Z', '2025-06-27T04:12:47.613Z'],
  ['2025-06-27t04:12:47z', '2025-06-27T04:12:47.000Z'],
  ['2019-11-06 00:30:00 +0000 UTC', '2019-11-06T00:30:00.000Z'],
  ['2019-11-06 00:30:00 UTC', '2019-11-06T00:30:00.000Z'],
  ['2019-11-06T00:30:00-05:00', '2019-11-06T05:30:00.000Z'],
  ['2019-11-06T00:30:00+0530', '2019-11-05T19:00:00.000Z'],
  ['2019-11-06 00:30:00.25+02', '2019-11-05T22:30:00.250Z'],
  ['1613861605', '2021-02-20T22:53:25.000Z'],
  [' 2021-07-31 ', '2021-07-31T00:00:00.000Z'],
  ['0001-01-01', '0001-01-01T00:00:00.000Z'],
  ['9999-12-31T23:59:59.999999Z', '9999-12-31T23:59:59.999Z'],
])('%s is a time', (text, iso) => {
  expect(both(text)[1]).toBe(iso);
});

test.each([
  ...['5', '12', '1.5', 'Moment 7', '3/4', '', 'now', '2021', '2021-07', '20210731', '1/2/2021', 'Jul 31 2021'],
  ...[
    '2021-02-30',
    '2021-13-01',
    '2021-00-10',
    '2021-02-29',
    '2021-07-31T24:00:00',
    '2021-07-31T10:60',
    '2021-07-31T1:00',
  ],
  ...['0000-01-01', '10000-01-01', '+012021-01-01', '-000001-01-01', '294277-01-01', '0001-01-01T00:00:00+01:00'],
  ...['9999-12-31T23:59:59-00:01', '2021-07-31T10:00:00+16:00', '2021-07-31T10:00:00+01:60', '2021-07-31+01:00'],
  ...['2021-07-31T10:00:00.Z', '2021-07-31T10:00:00Z Z', '12345678', '123456789012', '-1613861605', '1613861605.5'],
])('%j is no time', (text) => {
  expect(both(text)).toEqual([undefined, undefined]);
});

test('a time comes back as the same instant, whatever its zone, to the microsecond', () => {
  const first = BigInt(Date.parse('0002-01-01T00:00:00Z')) * 1_000n;
  const last = BigInt(Date.parse('9998-12-31T00:00:00Z')) * 1_000n;
  const offset = fc.integer({ min: -15 * 60, max: 15 * 60 });
  const separator = fc.constantFrom('T', ' ');
  fc.assert(
    fc.property(
      fc.bigInt({ min: first, max: last }),
      offset,
      separator,
      fc.boolean(),
      (micros, minutes, between, colon) => {
        const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
        const local = new Date(Number((micros - fraction) / 1_000n) + minutes * 60_000).toISOString();
        const two = (value: number) => String(value).padStart(2, '0');
        const size = Math.abs(minutes);
        const zone = `${minutes < 0 ? '-' : '+'}${two(Math.floor(size / 60))}${colon ? ':' : ''}${two(size % 60)}`;
        const text = `${local.slice(0, 10)}${between}${local.slice(11, 19)}.${String(fraction).padStart(6, '0')}${zone}`;
        expect(instantMicros.parse(text)).toBe(micros);
        const millis = Number((micros - (((micros % 1_000n) + 1_000n) % 1_000n)) / 1_000n);
        expect(instant.parse(text).getTime()).toBe(millis);
      },
    ),
    { numRuns: 1_000 },
  );
});

test('no text but a time is taken for one', () => {
  const near = fc.stringMatching(/^[\d:TZ .+-]{1,26}$/);
  fc.assert(
    fc.property(fc.oneof(near, fc.string()), (text) => {
      const micros = instantMicros.safeParse(text).data;
      if (micros === undefined || /^\d+$/.test(text.trim())) return;
      // what is accepted begins with its own date, give or take its zone
      const day = Date.parse(`${text.trim().slice(0, 10)}T00:00:00Z`);
      expect(Math.abs(Number(micros / 1_000n) - day)).toBeLessThan(2 * 86_400_000);
    }),
    { numRuns: 5_000 },
  );
});
