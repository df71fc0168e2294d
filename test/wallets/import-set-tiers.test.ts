import { expect, test } from 'vitest';
import { createTestDomain } from '../support/test-domain.ts';

const { importFile } = await createTestDomain('wallets');

test('a dataset of several words is uploaded under its name in snake case', async () => {
  await importFile('sets', 'a.csv', 'set_id,set_name\n1,Base');
  const rows = 'set_name,tier\nBase,COMMON';
  expect(await importFile('set_tiers', 'a.csv', rows)).toMatchObject({ status: 'succeeded', rows_read: 1 });
  expect(await importFile('setTiers', 'a.csv', rows)).toMatchObject({
    status: 'failed',
    error: { message: expect.stringContaining('Unknown dataset `setTiers` in wallets. Allowed: ') },
  });
});
