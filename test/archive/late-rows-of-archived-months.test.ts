/** Late rows of months in files, or on the way there. */
import { beforeEach, expect, test } from 'vitest';
import { forgetMarkers } from '../../shared/archive/read.ts';
import { createArchiveWorld } from '../support/archive.ts';

const world = await createArchiveWorld();
const { archive, expected, files, pack, passGrace, query, record, shown } = world;

beforeEach(async () => {
  await world.reset();
  await record(['btc', '2019-01-01T00:00:00.000Z', '3800.5'], ['btc', '2019-01-31T23:59:59.999Z', '3801']);
  await pack('2019-01');
});

const late = async () => (await query('select from portfolio.price_snapshots_late')).length;

test('rows that equal those of a file make no new version of it', async () => {
  await archive({ graceMs: 0 });
  await passGrace();
  const before = await files();
  await record(['btc', '2019-01-01T00:00:00.000Z', '3800.50'], ['btc', '2019-01-31T23:59:59.999Z', '3801']);
  await archive();
  expect([await files(), await late()]).toEqual([before, 0]);
  world.model.get('btc')!.set('2019-01-01T00:00:00.000Z', '3800.5');
  expect(await shown('btc')).toEqual(expected('btc'));
});

test('a price that goes back to the packed one after another was archived is the one that is shown', async () => {
  await record(['btc', '2019-01-01T00:00:00.000Z', '4000']);
  await archive();
  await passGrace();
  let isRecorded = false;
  await archive({
    async at(point) {
      if (point !== 'late rows deleted' || isRecorded) return;
      isRecorded = true;
      await record(['btc', '2019-01-01T00:00:00.000Z', '3800.5']);
    },
  });
  expect(isRecorded).toBe(true);
  expect(await shown('btc')).toEqual(expected('btc'));
  await passGrace();
  await archive({ graceMs: 0 });
  forgetMarkers();
  expect(await shown('btc')).toEqual(expected('btc'));
});
