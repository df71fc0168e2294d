/** Whatever the schemas of files and of the warehouse accept, the tables take. */
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { datasets } from '../../functions/wallets/datasets.ts';
import { holdingsTable } from '../../functions/wallets/sync-holdings.ts';
import { momentsTable } from '../../functions/wallets/sync-moments.ts';
import { pricesTable } from '../../functions/wallets/sync-prices.ts';
import { profilesTable } from '../../functions/wallets/sync-profiles.ts';
import { columnsOf } from '../../functions/wallets/warehouse-table.ts';
import { acceptedBy, isReadable } from '../support/accepted-values.ts';
import { createWallets } from '../support/wallets.ts';

const rowsPerTable = 20;
const { warehouse, runJob, importFile, database } = await createWallets({
  moments: rowsPerTable,
  wallets: rowsPerTable * 2,
  editions: rowsPerTable,
  scrapes: 1,
});
const { world, behavior } = warehouse;
behavior.pollsBeforeResult = 0;
const numRuns = 25;
const rejectedOf = async (id: string) =>
  (await database.pool.query('select reason, data from platform.rejected_rows where job_id = $1', [id])).rows;
afterAll(() => {
  behavior.change = undefined;
});

test.each(Object.values(datasets).map((dataset) => [dataset.name, dataset] as const))(
  'what a row of a file of %s may be',
  async (name, { row }) => {
    const rows = fc.array(acceptedBy(row).filter(isReadable), { minLength: 1, maxLength: rowsPerTable });
    await fc.assert(
      fc.asyncProperty(rows, async (accepted) => {
        const file = accepted.map((one) => JSON.stringify(one)).join('\n');
        const job = await importFile(name, 'f.ndjson', file);
        expect([job, await rejectedOf(job.id)]).toMatchObject([
          {
            status: 'succeeded',
            error: null,
            rows_read: accepted.length,
            rows_rejected: 0,
          },
          [],
        ]);
      }),
      { numRuns, endOnFailure: true },
    );
  },
);

test.each([
  ['syncMoments', momentsTable],
  ['syncPrices', pricesTable],
  ['syncProfiles', profilesTable],
  ['syncHoldings', holdingsTable],
] as const)('what a row of the warehouse may be: %s', async (job, table) => {
  const times = columnsOf(table).flatMap(({ name, isTime }) => (isTime ? [name] : []));
  const names = world.tables.get(table.name)!.columns.map(({ name }) => name);
  // what is dated ahead of the statement is rejected, whatever the schema says
  const accepted = acceptedBy(table.row).filter((row) =>
    times.every((name) => Number.parseFloat(row[name] as string) < Date.now() / 1_000),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(accepted, { minLength: rowsPerTable, maxLength: rowsPerTable }), async (rows) => {
      behavior.change = (_, __, place) => names.map((name) => rows[place]![name] as string | null);
      expect(await runJob(job, { mode: 'full', maxRemovedShare: 1 })).toMatchObject({
        status: 'succeeded',
        error: null,
        rows_read: rowsPerTable,
        rows_rejected: 0,
      });
    }),
    { numRuns, endOnFailure: true },
  );
});

test('the read models take it too', async () => {
  expect(await runJob('refreshSnapshots')).toMatchObject({ status: 'succeeded' });
  expect(await runJob('rebuildSnapshots')).toMatchObject({ status: 'succeeded' });
});
