import { beforeAll, expect, test } from 'vitest';
import { recordNfts } from '../../functions/collections/record-nfts.ts';
import { commit } from '../../shared/changes/commit.ts';
import { createCollections } from '../support/collections.ts';
import { readAfter, refusal } from '../support/reads.ts';
import { address } from '../support/transfers.ts';

const { call } = await createCollections();
const hats = address('c0');
const path = `/v1/collections/${hats}/nfts`;
const largest = String(2n ** 256n - 1n);

beforeAll(() =>
  commit(async (tx) => {
    await recordNfts(tx, [
      {
        collection: hats,
        tokenId: '1',
        name: 'One',
        description: 'The first.',
        imageUrl: 'https://x.test/1.png',
        tokenUri: 'ipfs://1',
        attributes: { size: '7', maker: { name: 'Ann' } },
        traits: [
          { type: 'Hat', value: 'Red' },
          { type: 'Eyes', value: 'None' },
          { type: 'Hat', value: 'Blue' },
        ],
      },
      { collection: hats, tokenId: largest },
      { collection: 'tea-club', tokenId: '1', name: 'Tea' },
    ]);
    await tx.query(`update collections.nfts set updated_at = '2026-01-06T07:08:09.123Z'`);
  }),
);

test('returns a token with its traits and attributes', async () => {
  const { json, headers } = await call(`${path}/1`);
  expect(json).toEqual({
    collection: hats,
    tokenId: '1',
    name: 'One',
    description: 'The first.',
    imageUrl: 'https://x.test/1.png',
    tokenUri: 'ipfs://1',
    attributes: { size: '7', maker: { name: 'Ann' } },
    traits: [
      { type: 'Eyes', value: 'None' },
      { type: 'Hat', value: 'Blue' },
      { type: 'Hat', value: 'Red' },
    ],
    updatedAt: '2026-01-06T07:08:09.123Z',
  });
  expect(headers['as-of']).toBe('2026-01-06T07:08:09.123Z');
});

test('returns the exact id of a token without metadata', async () => {
  expect((await call(`${path}/${largest}`)).json).toEqual({
    collection: hats,
    tokenId: largest,
    name: null,
    description: null,
    imageUrl: null,
    tokenUri: null,
    attributes: {},
    traits: [],
    updatedAt: '2026-01-06T07:08:09.123Z',
  });
});

test('finds a token only in its own collection', async () => {
  const { json } = await call('/v1/collections/tea-club/nfts/1');
  expect([json.collection, json.name]).toEqual(['tea-club', 'Tea']);
  for (const target of [
    `${path}/2`,
    `/v1/collections/tea-club/nfts/${largest}`,
    `/v1/collections/${address('c1')}/nfts/1`,
  ])
    expect([target, (await call(target)).status]).toEqual([target, 404]);
});

test('shows a change and a new token at once', async () => {
  const renamed = await readAfter(call, `${path}/1`, () =>
    commit((tx) => recordNfts(tx, [{ collection: hats, tokenId: '1', name: 'Uno' }])),
  );
  expect([renamed.json.name, renamed.json.description]).toEqual(['Uno', 'The first.']);
  const made = await readAfter(call, `${path}/3`, () =>
    commit((tx) => recordNfts(tx, [{ collection: hats, tokenId: '3' }])),
  );
  expect(made.status).toBe(200);
});

test.each([
  [`${path}/01`, 'path.tokenId'],
  [`${path}/0x1`, 'path.tokenId'],
  ['/v1/collections/0x12/nfts/1', 'path.address'],
  [`${path}/1?page=1`, 'query.page'],
])('%s fails on %s', async (target, field) => {
  expect(await refusal(call, target)).toEqual([400, [field]]);
});
