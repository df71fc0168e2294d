import { beforeAll, expect, test, vi } from 'vitest';
import { commit } from '../../shared/changes/commit.ts';
import { createCollections } from '../support/collections.ts';
import { replicaCaughtUp } from '../support/database.ts';
import { refusal, walk } from '../support/reads.ts';
import { address } from '../support/transfers.ts';

const { call, database } = await createCollections();
const bytes = (byte: string) => `'\\x${byte.repeat(20)}'`;

// names, counts, and times have ties
beforeAll(() =>
  commit((tx) =>
    tx.query(`
      insert into collections.collections (address, slug, name, symbol, token_type, image_url, token_count, holder_count, refreshed_at)
      values (${bytes('aa')}, null, 'Hats', 'HAT', 'ERC721', 'https://x.test/h.png', 9, 2, '2026-01-02T03:04:05.678Z'),
        (${bytes('bb')}, null, 'Cups', null, 'ERC1155', null, 10, 2, '2026-01-01Z'),
        (null, 'tea-club', null, null, 'UNKNOWN', null, 2, 10, null),
        (${bytes('cc')}, null, 'Hats', null, 'UNKNOWN', null, 9, 1, null),
        (${bytes('dd')}, null, 'Apes', null, 'UNKNOWN', null, 0, 0, '2026-01-01Z')`),
  ),
);

const [a, b, c, d] = ['aa', 'bb', 'cc', 'dd'].map(address);

test('lists collections with their counts, with null for unknown fields', async () => {
  const { json } = await call('/v1/collections?sort=-refreshed&limit=1');
  expect(json).toEqual({
    collections: [
      {
        address: a,
        name: 'Hats',
        symbol: 'HAT',
        tokenType: 'ERC721',
        imageUrl: 'https://x.test/h.png',
        tokenCount: 9,
        holderCount: 2,
        refreshedAt: '2026-01-02T03:04:05.678Z',
      },
    ],
    nextCursor: expect.any(String),
  });
  expect((await call('/v1/collections?limit=1')).json.collections[0]).toEqual({
    address: 'tea-club',
    name: null,
    symbol: null,
    tokenType: 'UNKNOWN',
    imageUrl: null,
    tokenCount: 2,
    holderCount: 10,
    refreshedAt: null,
  });
});

test.each([
  ['name', ['tea-club', d, b, a, c]],
  ['-holders', ['tea-club', b, a, c, d]],
  ['-tokens', [b, c, a, 'tea-club', d]],
  ['-refreshed', [a, d, b, c, 'tea-club']],
])('sorts by %s, with any page size', async (sort, expected) => {
  for (const limit of [1, 2, 5]) {
    const found = await walk(call, `/v1/collections?sort=${sort}`, 'collections', limit);
    expect([limit, found.map((one) => one.address)]).toEqual([limit, expected]);
  }
});

test('sorts by name by default', async () => {
  const { json } = await call('/v1/collections');
  expect([json.collections.map((one: { address: string }) => one.address), json.nextCursor]).toEqual([
    ['tea-club', d, b, a, c],
    null,
  ]);
});

test('shows a change after one minute', async () => {
  const first = async () => {
    const { json, headers } = await call('/v1/collections?limit=3&sort=-tokens');
    return [json.collections[0].name, headers['x-cache']];
  };
  await first();
  await commit((tx) => tx.query(`update collections.collections set name = 'Mugs' where name = 'Cups'`));
  expect(await first()).toEqual(['Cups', 'hit']);
  // a list that no fence voids is read from the replica, however far behind it is
  await replicaCaughtUp(database.pool);
  vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 61_000);
  expect(await first()).toEqual(['Mugs', 'miss']);
  vi.restoreAllMocks();
});

const holders = Buffer.from(JSON.stringify([3, address('aa')])).toString('base64url');
test.each([
  ['/v1/collections?sort=holders', 'query.sort'],
  ['/v1/collections?limit=0', 'query.limit'],
  ['/v1/collections?limit=201', 'query.limit'],
  [`/v1/collections?cursor=${holders}`, 'query.cursor'],
  ['/v1/collections?page=2', 'query.page'],
])('%s fails on %s', async (target, field) => {
  expect(await refusal(call, target)).toEqual([400, [field]]);
});
