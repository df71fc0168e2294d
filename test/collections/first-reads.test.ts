import { expect, test } from 'vitest';
import { alchemy as declared } from '../../functions/upstreams/alchemy.ts';
import { createCollections } from '../support/collections.ts';
import { startUpstream } from '../support/reads.ts';

// the real budget would make the tests wait
declared.requestsPerSecond = 10_000;
const alchemy = await startUpstream(404, {});
const { call, importFile } = await createCollections({ UPSTREAM_ALCHEMY_URL: alchemy.url });
const address = (n: number) => `0x${n.toString(16).padStart(40, 'f')}`;
const statusOf = async (n: number, clientIp: string) =>
  (await call(`/v1/collections/${address(n)}`, { clientIp })).status;

test('an imported collection that the upstream does not know is asked for once', async () => {
  const imported = address(0);
  const before = alchemy.requests;
  for (let token = 1; token <= 3; token++) {
    // voids the cached answer
    await importFile('nfts', 'a.csv', `token_id\n${token}`, { collection: imported });
    const { status, json, headers } = await call(`/v1/collections/${imported}`);
    expect([headers['x-cache'], status, json.tokenCount, alchemy.requests - before]).toEqual(['miss', 200, token, 1]);
  }
});

test('ten first reads a minute are each client’s own; a hundred are for all clients together', async () => {
  // the imported collection took one of the hundred
  let left = 99;
  for (let client = 1; left > 0; client++) {
    const own = Math.min(10, left);
    for (let i = 0; i < own; i++) expect(await statusOf(client * 100 + i, `10.0.0.${client}`)).toBe(404);
    if (own === 10) expect(await statusOf(client * 100 + 99, `10.0.0.${client}`)).toBe(429);
    left -= own;
  }
  expect(await statusOf(9_999, '10.0.0.99')).toBe(429);
});
