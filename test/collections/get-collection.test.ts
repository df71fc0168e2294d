import { beforeAll, expect, test } from 'vitest';
import { recordCollection } from '../../functions/collections/record-collection.ts';
import { recordNfts } from '../../functions/collections/record-nfts.ts';
import { recordTransfers } from '../../functions/collections/record-transfers.ts';
import { commit } from '../../shared/changes/commit.ts';
import { createCollections } from '../support/collections.ts';
import { readAfter, refusal, startUpstream } from '../support/reads.ts';
import { address, transfer, wallet } from '../support/transfers.ts';

const alchemy = await startUpstream(404, {});
const { call } = await createCollections({ UPSTREAM_ALCHEMY_URL: alchemy.url });
const hats = address('c0');
const largest = String(2n ** 256n - 1n);

beforeAll(() =>
  commit(async (tx) => {
    await recordCollection(tx, {
      collection: hats,
      name: 'Hats',
      symbol: 'HAT',
      tokenType: 'ERC721',
      description: 'One hat each.',
      imageUrl: 'https://x.test/hats.png',
      externalUrl: 'https://x.test',
      totalSupply: largest,
      floorPriceEth: '0.0005',
      deployer: address('dd'),
      deployedBlock: 7,
    });
    await recordTransfers(tx, [
      transfer(hats, '1', wallet(1)),
      transfer(hats, '2', wallet(1)),
      transfer(hats, '3', wallet(2)),
    ]);
    await recordCollection(tx, { collection: 'tea-club' });
    await tx.query(
      `update collections.collections set completeness = 'complete', refreshed_at = '2026-01-06T07:08:09.123Z'`,
    );
  }),
);

test('returns a collection with its metadata and counts', async () => {
  const { json, headers } = await call(`/v1/collections/${hats}`);
  expect(json).toEqual({
    address: hats,
    slug: null,
    name: 'Hats',
    symbol: 'HAT',
    tokenType: 'ERC721',
    description: 'One hat each.',
    imageUrl: 'https://x.test/hats.png',
    externalUrl: 'https://x.test',
    totalSupply: largest,
    floorPriceEth: '0.0005',
    deployer: address('dd'),
    deployedBlock: 7,
    tokenCount: 3,
    holderCount: 2,
    completeness: 'complete',
    refreshedAt: '2026-01-06T07:08:09.123Z',
  });
  expect(headers['as-of']).toBe('2026-01-06T07:08:09.123Z');
});

test('accepts an address with upper-case digits', async () => {
  await call(`/v1/collections/${hats}`);
  const { json, headers } = await call(`/v1/collections/0x${'C0'.repeat(20)}`);
  expect([json.address, headers['x-cache']]).toEqual([hats, 'hit']);
});

test('returns a collection without a contract by its slug, with null for unknown fields', async () => {
  expect((await call('/v1/collections/tea-club')).json).toMatchObject({
    address: 'tea-club',
    slug: 'tea-club',
    name: null,
    totalSupply: null,
    deployer: null,
    tokenCount: 0,
    holderCount: 0,
  });
});

test.each([
  [
    'metadata',
    'floorPriceEth',
    '0.25',
    () => commit((tx) => recordCollection(tx, { collection: hats, floorPriceEth: '0.25' })),
  ],
  ['a token', 'tokenCount', 4, () => commit((tx) => recordNfts(tx, [{ collection: hats, tokenId: '4' }]))],
  ['an owner', 'holderCount', 3, () => commit((tx) => recordTransfers(tx, [transfer(hats, '4', wallet(3))]))],
])('shows a change of %s at once', async (_, field, value, change) => {
  expect((await readAfter(call, `/v1/collections/${hats}`, change)).json[field]).toBe(value);
});

test('requests only unknown addresses from upstream, and not again while the 404 is cached', async () => {
  for (const name of ['no-such-club', `0x${'g'.repeat(40)}`])
    expect([name, (await call(`/v1/collections/${name}`)).status, alchemy.requests]).toEqual([name, 404, 0]);
  for (const cache of ['miss', 'hit']) {
    const { status, headers } = await call(`/v1/collections/${address('ee')}`);
    expect([status, headers['x-cache'], alchemy.requests]).toEqual([404, cache, 1]);
  }
});

test.each([
  [`/v1/collections/${hats}0`, 'path.address'],
  ['/v1/collections/-hats', 'path.address'],
  [`/v1/collections/${hats}?sort=name`, 'query.sort'],
])('%s fails on %s', async (target, field) => {
  expect(await refusal(call, target)).toEqual([400, [field]]);
});
