/** A run of the archive that is killed between any two side effects loses nothing, and shows nothing twice. */
import { beforeEach, expect, test } from 'vitest';
import { type KillPoint, killPoints } from '../../shared/archive/archive.ts';
import { createArchiveWorld } from '../support/archive.ts';

const world = await createArchiveWorld();
const { archive, expected, files, pack, passGrace, query, record, shown } = world;

class Killed extends Error {}

beforeEach(async () => {
  await world.reset();
  await record(
    ['btc', '2019-01-05T00:00:00.250Z', '3800.123456'],
    ['btc', '2019-01-31T23:59:59.999Z', '3801'],
    ['eth', '2019-01-05T00:00:00.250Z', '100.5'],
    ['btc', '2019-02-01T00:00:00.000Z', '3802'],
    ['btc', '2019-02-10T12:00:00.000Z', '3803'],
  );
  await pack('2019-01');
  await pack('2019-02');
  // a correction of a packed price, a new one, and months that were never packed
  await record(
    ['btc', '2019-02-10T12:00:00.000Z', '3803.5'],
    ['eth', '2019-02-11T00:00:00.000Z', '101'],
    ['btc', '2019-03-01T00:00:00.000Z', '0.000000001234'],
    ['btc', '2019-05-01T00:00:00.000Z', '3900'],
  );
});

async function assertReads() {
  for (const token of ['btc', 'eth']) expect([token, await shown(token)]).toEqual([token, expected(token)]);
}

const isDone = async () =>
  (await query(`select from platform.archives where state <> 'dropped' or previous_key is not null`)).length === 0 &&
  (await query('select from portfolio.price_snapshots_late')).length === 0;

/** Runs the archive until nothing is left to do. */
async function finish(at: (point: KillPoint, month: string) => Promise<void>) {
  for (let run = 0; ; run++) {
    await archive({ at }).catch((error: unknown) => {
      if (!(error instanceof Killed)) throw error;
    });
    await assertReads();
    if (await isDone()) return;
    if (run === 25) throw new Error(`not done: ${JSON.stringify(await query('select * from platform.archives'))}`);
    await passGrace();
  }
}

async function assertArchived(months: number) {
  const archived = await query('select key from platform.archives order by month');
  expect(archived.length).toBe(months);
  expect(await files()).toEqual(expect.arrayContaining(archived.map(({ key }) => key)));
  expect((await query('select from portfolio.price_snapshots_packed')).length).toBe(0);
  expect(await query(`select from pg_class where relname ~ '^price_snapshots_packed_2' and relkind = 'r'`)).toEqual([]);
  await assertReads();
}

test.each(killPoints.filter((point) => point !== 'attached again'))('killed when %s', async (killPoint) => {
  const first = new Set<string>();
  let isKilled = false;
  const at = async (point: KillPoint) => {
    await assertReads();
    first.add(point);
    if (point !== killPoint || isKilled) return;
    isKilled = true;
    throw new Killed();
  };
  await finish(at);
  await assertArchived(4);
  // a correction of an archived price, and one that is new: a new version of the file
  await record(['btc', '2019-01-05T00:00:00.250Z', '3799'], ['btc', '2019-01-06T00:00:00.000Z', '3798.12345678']);
  await assertReads();
  if (!first.has(killPoint)) isKilled = false;
  await finish(at);
  await assertArchived(4);
  expect([killPoint, isKilled]).toEqual([killPoint, true]);
  expect((await files()).filter((key) => key.includes('2019-01')).length).toBe(1);
});

test.each(['attached again', undefined] as const)(
  'packs that change after their export are exported again, also if the run is killed when %s',
  async (killPoint) => {
    await record(['sol', '2019-01-02T00:00:00.000Z', '1'], ['sol', '2018-12-02T00:00:00.000Z', '2']);
    let isInserted = false;
    let isKilled = false;
    const points: string[] = [];
    await finish(async (point, month) => {
      await assertReads();
      points.push(point);
      if (point === 'switched' && month === '2019-01-01' && !isInserted) {
        isInserted = true;
        await query(`insert into portfolio.price_snapshots_packed (token_id, day, offsets, price_usd, price_usd_unit, source)
          select id, '2019-01-20', '{0}', '{7}', 1, '{import}' from portfolio.tokens where key = 'sol'`);
      }
      if (point !== killPoint || isKilled) return;
      isKilled = true;
      throw new Killed();
    });
    expect(points).toContain('attached again');
    await assertArchived(5);
    world.model.get('sol')!.set('2019-01-20T00:00:00.000Z', '7');
    expect(await shown('sol')).toEqual(expected('sol'));
  },
);

test('late rows that come at any step are read at once, and end up in the file', async () => {
  const seen = new Set<string>();
  await finish(async (point, month) => {
    if (!seen.has(`${point} ${month}`)) {
      seen.add(`${point} ${month}`);
      await record(
        ['btc', `${month.slice(0, 7)}-01T00:00:00.000Z`, `1${seen.size}.5`],
        ['eth', `${month.slice(0, 7)}-15T00:00:00.${String(seen.size).padStart(3, '0')}Z`, `2${seen.size}.25`],
      );
    }
    await assertReads();
  });
  expect(new Set([...seen].map((one) => one.slice(0, -11)))).toEqual(
    new Set(killPoints.filter((point) => point !== 'attached again')),
  );
  await assertArchived(4);
  expect((await files()).length).toBe(4);
});
