import { beforeAll, expect, test } from 'vitest';
import { recordNfts } from '../../functions/collections/record-nfts.ts';
import { recordTransfers } from '../../functions/collections/record-transfers.ts';
import { commit } from '../../shared/changes/commit.ts';
import { zeroAddress } from '../../shared/kernel/address.ts';
import { createCollections } from '../support/collections.ts';
import { readAfter, refusal } from '../support/reads.ts';
import { address, transfer, wallet } from '../support/transfers.ts';

const { call } = await createCollections();
const hats = address('c0');
const path = `/v1/collections/${hats}/nfts`;
const largest = String(2n ** 256n - 1n);
const [red, blue, tall] = ['Color Red', 'Color Blue', 'Size Tall'].map((both) => {
  const [type, value] = both.split(' ') as [string, string];
  return { type, value };
});

beforeAll(() =>
  commit(async (tx) => {
    const nft = { collection: hats };
    await recordNfts(tx, [
      { ...nft, tokenId: '10', traits: [tall!, red!] },
      { ...nft, tokenId: largest, traits: [blue!, red!] },
      { ...nft, tokenId: '2', name: 'Two', imageUrl: 'https://x.test/2.png', traits: [red!] },
      { ...nft, tokenId: '9', traits: [tall!, blue!] },
      { ...nft, tokenId: '0' },
    ]);
    await recordTransfers(tx, [
      transfer(hats, '2', wallet(1)),
      transfer(hats, '9', wallet(1)),
      transfer(hats, '10', wallet(1)),
      transfer(hats, '10', wallet(2), { from: wallet(1) }),
      transfer(hats, '0', wallet(1)),
      transfer(hats, '0', zeroAddress, { from: wallet(1) }),
      // the same token id in another collection
      transfer(address('c1'), '2', wallet(2)),
    ]);
  }),
);

const idsOf = ({ nfts }: { nfts: { tokenId: string }[] }) => nfts.map(({ tokenId }) => tokenId);

test('returns a page of tokens with their traits', async () => {
  expect((await call(`${path}?pageSize=2&page=2`)).json).toEqual({
    nfts: [
      { tokenId: '9', name: null, imageUrl: null, traits: [blue, tall] },
      { tokenId: '10', name: null, imageUrl: null, traits: [red, tall] },
    ],
    page: 2,
    pageSize: 2,
    total: 5,
    pages: 3,
  });
  expect((await call(`${path}?owner=${wallet(1)}&trait.Color=Red`)).json.nfts).toEqual([
    { tokenId: '2', name: 'Two', imageUrl: 'https://x.test/2.png', traits: [red] },
  ]);
});

test('sorts by numeric token id across pages; the page after the last is empty', async () => {
  for (const [pageSize, pages] of [
    [1, 5],
    [2, 3],
    [5, 1],
  ] as const) {
    const all = [];
    for (let page = 1; page <= pages + 1; page++)
      all.push(idsOf((await call(`${path}?pageSize=${pageSize}&page=${page}`)).json));
    expect([all.flat(), all.at(-1)]).toEqual([['0', '2', '9', '10', largest], []]);
  }
  expect((await call(path)).json).toMatchObject({ page: 1, pageSize: 50, total: 5, pages: 1 });
});

test.each([
  ['trait.Color=Red', ['2', '10', largest]],
  ['trait.Color=Red&trait.Size=Tall', ['10']],
  ['trait.Color=Red&trait.Color=Blue', [largest]],
  ['trait.Color=Green', []],
  ['trait.Size=Red', []],
  [`owner=${wallet(1)}`, ['2', '9']],
  [`owner=${wallet(2)}`, ['10']],
  [`owner=${zeroAddress}`, []],
  [`owner=${wallet(1)}&trait.Size=Tall`, ['9']],
])('%s filters the tokens and the total', async (filter, expected) => {
  const { json } = await call(`${path}?${filter}`);
  expect([idsOf(json), json.total, json.pages]).toEqual([expected, expected.length, expected.length === 0 ? 0 : 1]);
});

test('pages through filtered tokens', async () => {
  const pages = [1, 2].map(async (page) => (await call(`${path}?trait.Color=Red&pageSize=2&page=${page}`)).json);
  const [first, second] = await Promise.all(pages);
  expect([idsOf(first), idsOf(second), first.total, first.pages]).toEqual([['2', '10'], [largest], 3, 2]);
});

test('returns an empty page for a collection without tokens, and 404 for an unknown one', async () => {
  await commit((tx) => tx.query(`insert into collections.collections (slug) values ('tea-club')`));
  expect((await call('/v1/collections/tea-club/nfts')).json).toEqual({
    nfts: [],
    page: 1,
    pageSize: 50,
    total: 0,
    pages: 0,
  });
  expect((await call('/v1/collections/no-such-club/nfts')).status).toBe(404);
});

test.each([
  [
    'token',
    '',
    ['0', '2', '4', '9', '10', largest],
    () => commit((tx) => recordNfts(tx, [{ collection: hats, tokenId: '4' }])),
  ],
  [
    'trait',
    '?trait.Size=Tall',
    ['2', '9', '10'],
    () => commit((tx) => recordNfts(tx, [{ collection: hats, tokenId: '2', traits: [tall!] }])),
  ],
  [
    'owner',
    `?owner=${wallet(2)}`,
    ['9', '10'],
    () => commit((tx) => recordTransfers(tx, [transfer(hats, '9', wallet(2), { from: wallet(1) })])),
  ],
])('shows a new %s at once', async (_, query, expected, change) => {
  expect(idsOf((await readAfter(call, `${path}${query}`, change)).json)).toEqual(expected);
});

test.each([
  [`${path}?page=0`, 'query.page'],
  [`${path}?page=100001`, 'query.page'],
  [`${path}?pageSize=1.5`, 'query.pageSize'],
  [`${path}?owner=me`, 'query.owner'],
  [`${path}?trait.=Red`, 'query.trait.'],
  [`${path}?trait.Color=`, 'query.trait.Color.0'],
  [`${path}?cursor=abc`, 'query.cursor'],
])('%s fails on %s', async (target, field) => {
  expect(await refusal(call, target)).toEqual([400, [field]]);
});
