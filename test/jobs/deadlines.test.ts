import { expect, test } from 'vitest';
import { collections } from '../../functions/collections/domain.ts';
import { createCollections } from '../support/collections.ts';
import { stubEtl } from '../support/stub-etl.ts';

await createCollections();

test.each([
  ['fifteen minutes', 900, 840],
  ['a minute', 60, 30],
])('a job that has %s left stops in time for its last batch', async (_, seconds, stopsAfter) => {
  const startedAt = Date.now();
  let deadline = 0;
  await stubEtl(collections, async (run) => {
    deadline = run.deadline.getTime();
    return 'done';
  })({ job: 'collections.syncUsers', requestedBy: 'test' }, seconds * 1_000);
  const elapsed = (deadline - startedAt) / 1_000;
  expect([elapsed >= stopsAfter, elapsed < stopsAfter + 10]).toEqual([true, true]);
});
