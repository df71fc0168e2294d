import { expect, test } from 'vitest';
import { createCollections } from '../support/collections.ts';

// its upstreams do not respond
const { call, importFile } = await createCollections();
const imported = `0x${'1f'.repeat(20)}`;

test('what an import stored is served while the upstream that could complete it is down', async () => {
  await importFile('traits', 'a.csv', 'token_id,trait_type,trait_value\n1,Hat,Red', { collection: imported });
  const { status, json } = await call(`/v1/collections/${imported}`);
  expect([status, json.name, json.tokenCount]).toEqual([200, null, 1]);
  expect((await call(`/v1/collections/0x${'2f'.repeat(20)}`)).status).toBe(502);
});
