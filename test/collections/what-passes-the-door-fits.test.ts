/** Whatever the schemas of files accept, the tables take. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { datasets } from '../../functions/collections/datasets.ts';
import { acceptedBy, isReadable } from '../support/accepted-values.ts';
import { createCollections } from '../support/collections.ts';

const { importFile, database } = await createCollections();
const rejectedOf = async (id: string) =>
  (await database.pool.query('select reason, data from platform.rejected_rows where job_id = $1', [id])).rows;

test.each(Object.values(datasets).map((dataset) => [dataset.name, dataset] as const))(
  'what a row of a file of %s may be',
  async (name, { row }) => {
    const rows = fc.array(acceptedBy(row).filter(isReadable), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(rows, async (accepted) => {
        const job = await importFile(name, 'f.ndjson', accepted.map((one) => JSON.stringify(one)).join('\n'));
        expect([job, await rejectedOf(job.id)]).toMatchObject([
          { status: 'succeeded', error: null, rows_read: accepted.length, rows_rejected: 0 },
          [],
        ]);
      }),
      { numRuns: 25, endOnFailure: true },
    );
  },
);
