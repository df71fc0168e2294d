import { beforeAll, expect, test } from 'vitest';
import { recordNfts, recordTraits } from '../../functions/collections/record-nfts.ts';
import { commit } from '../../shared/changes/commit.ts';
import { createCollections } from '../support/collections.ts';
import { readAfter, refusal } from '../support/reads.ts';
import { address } from '../support/transfers.ts';

const { call } = await createCollections();
const hats = address('c0');
const path = `/v1/collections/${hats}/traits`;
const trait = (tokenId: string, type: string, value: string, collection = hats) => ({
  collection,
  tokenId,
  type,
  value,
});

beforeAll(() =>
  commit(async (tx) => {
    await recordTraits(tx, [
      trait('1', 'Hat', 'Red'),
      trait('2', 'Hat', 'Blue'),
      trait('3', 'Hat', 'Red'),
      trait('4', 'Hat', 'Amber'),
      trait('5', 'Hat', 'Blue'),
      trait('6', 'Eyes', 'None'),
      trait('1', 'Hat', 'Green'),
      // the same trait in another collection
      trait('1', 'Hat', 'Red', address('c1')),
    ]);
    await recordNfts(tx, [{ collection: hats, tokenId: '7' }]);
    // no token has Green anymore
    await recordNfts(tx, [{ collection: hats, tokenId: '1', traits: [{ type: 'Hat', value: 'Red' }] }]);
  }),
);

test('groups values by type, most frequent first, with their share of all tokens', async () => {
  expect((await call(path)).json).toEqual({
    tokenCount: 7,
    traits: [
      { type: 'Eyes', values: [{ value: 'None', count: 1, rarity: '0.142857' }] },
      {
        type: 'Hat',
        values: [
          { value: 'Blue', count: 2, rarity: '0.285714' },
          { value: 'Red', count: 2, rarity: '0.285714' },
          { value: 'Amber', count: 1, rarity: '0.142857' },
        ],
      },
    ],
  });
});

test('a new token without traits makes all traits rarer at once', async () => {
  const change = () => commit((tx) => recordNfts(tx, [{ collection: hats, tokenId: '8' }]));
  const { tokenCount, traits } = (await readAfter(call, path, change)).json;
  expect([tokenCount, traits[0].values[0].rarity]).toEqual([8, '0.125000']);
});

test('shows a new trait at once', async () => {
  const change = () => commit((tx) => recordTraits(tx, [trait('8', 'Eyes', 'None')]));
  expect((await readAfter(call, path, change)).json.traits[0].values).toEqual([
    { value: 'None', count: 2, rarity: '0.250000' },
  ]);
});

test('returns no traits for a collection without tokens, and 404 for an unknown one', async () => {
  await commit((tx) => tx.query(`insert into collections.collections (slug) values ('tea-club')`));
  expect((await call('/v1/collections/tea-club/traits')).json).toEqual({ tokenCount: 0, traits: [] });
  expect((await call('/v1/collections/no-such-club/traits')).status).toBe(404);
});

test.each([
  ['/v1/collections/0x12/traits', 'path.address'],
  [`${path}?type=Hat`, 'query.type'],
])('%s fails on %s', async (target, field) => {
  expect(await refusal(call, target)).toEqual([400, [field]]);
});
