/** Months that come back into Postgres: no row is shown twice, and none goes back to an older price. */
import { beforeEach, expect, test } from 'vitest';
import { forgetMarkers } from '../../shared/archive/read.ts';
import { restoreMonth } from '../../shared/archive/restore.ts';
import { packTable } from '../../shared/db/pack-months.ts';
import { createArchiveWorld, priceTable } from '../support/archive.ts';

const world = await createArchiveWorld();
const { archive, expected, pack, passGrace, query, record, shown } = world;

const past = new Date('2021-01-01T00:00:00Z');
const repack = () => packTable(priceTable, { now: new Date('2013-01-01'), deadline: new Date(Date.now() + 3_600_000) });

beforeEach(async () => {
  await world.reset();
  await record(
    ['btc', '2019-01-05T00:00:00.250Z', '3800.123456'],
    ['btc', '2019-01-31T23:59:59.999Z', '3801'],
    ['btc', '2019-02-01T00:00:00.000Z', '3802'],
  );
  await pack('2019-01');
  await pack('2019-02');
  await archive({ graceMs: 0 });
  forgetMarkers();
});

const restore = async (month: string, heldUntil = past) => {
  await restoreMonth(priceTable, month, heldUntil);
  forgetMarkers();
};

test('a restored month that was packed again is shown once while it goes back to the archive', async () => {
  await restore('2019-02-01');
  expect(await shown('btc')).toEqual(expected('btc'));
  await repack();
  expect((await query('select from portfolio.price_snapshots_late')).length).toBe(0);
  expect(await shown('btc')).toEqual(expected('btc'));
  await archive({
    async at() {
      forgetMarkers();
      expect(await shown('btc')).toEqual(expected('btc'));
    },
  });
  await passGrace();
  await archive();
  expect((await query('select from portfolio.price_snapshots_packed')).length).toBe(0);
  expect(await shown('btc')).toEqual(expected('btc'));
});

test('a month that is restored once more keeps the corrections that came since', async () => {
  await restore('2019-02-01');
  await repack();
  await record(['btc', '2019-02-01T00:00:00.000Z', '4000']);
  await repack();
  expect(await shown('btc')).toEqual(expected('btc'));
  const later = new Date('2030-01-01T00:00:00Z');
  await restore('2019-02-01', later);
  expect(await shown('btc')).toEqual(expected('btc'));
  expect(await query(`select held_until from platform.archives where month = '2019-02-01'`)).toEqual([
    { held_until: later },
  ]);
});

test('a month in the middle is restored beside files of later months', async () => {
  await restore('2019-01-01');
  await record(['btc', '2019-01-05T00:00:00.250Z', '4000'], ['btc', '2019-02-01T00:00:00.000Z', '4001']);
  expect(await shown('btc')).toEqual(expected('btc'));
  await repack();
  expect(await shown('btc')).toEqual(expected('btc'));
  await restore('2019-02-01');
  expect(await shown('btc')).toEqual(expected('btc'));
  await repack();
  expect(await shown('btc')).toEqual(expected('btc'));
  for (let run = 0; run < 3; run++) {
    await archive({
      async at() {
        forgetMarkers();
        expect(await shown('btc')).toEqual(expected('btc'));
      },
    });
    await passGrace();
  }
  expect((await query('select from portfolio.price_snapshots_packed')).length).toBe(0);
});
