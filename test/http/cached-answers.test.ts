import { afterEach, expect, test, vi } from 'vitest';
import { createCollections } from '../support/collections.ts';

const { call, importFile } = await createCollections();
const contract = `0x${'ca'.repeat(20)}`;
afterEach(() => vi.restoreAllMocks());
const cacheOf = async (target: string) => (await call(target)).headers['x-cache'];

test('the values of a repeated parameter share one cached answer, in any order', async () => {
  await importFile('traits', 'a.csv', 'token_id,trait_type,trait_value\n1,Hat,Red\n2,Hat,Blue', {
    collection: contract,
  });
  const nfts = `/v1/collections/${contract}/nfts`;
  expect(await cacheOf(`${nfts}?trait.Hat=Red&trait.Hat=Blue`)).toBe('miss');
  expect(await cacheOf(`${nfts}?trait.Hat=Blue&trait.Hat=Red`)).toBe('hit');
  expect(await cacheOf(`${nfts}?trait.Hat=Red`)).toBe('miss');
});

test('“not found” is cached for 30 seconds', async () => {
  const target = '/v1/collections/no-such-list';
  expect([await cacheOf(target), await cacheOf(target)]).toEqual(['miss', 'hit']);
  const now = Date.now();
  vi.spyOn(Date, 'now').mockImplementation(() => now + 31_000);
  expect(await cacheOf(target)).toBe('miss');
});
