import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { recordNfts } from '../../functions/collections/record-nfts.ts';
import { recordTransfers } from '../../functions/collections/record-transfers.ts';
import { commit } from '../../shared/changes/commit.ts';
import { zeroAddress } from '../../shared/kernel/address.ts';
import { createCollections } from '../support/collections.ts';
import { refusal, walk } from '../support/reads.ts';
import { hash, wallet } from '../support/transfers.ts';
import { waitFor } from '../support/wait-for.ts';

const { call } = await createCollections();

/** Names of any script and length, often equal, or equal in their first 100 characters. */
const name = fc.option(
  fc
    .oneof(
      fc.constantFrom(
        '',
        'Hats',
        'hats',
        `"quoted" \\ {}`,
        'a'.repeat(500),
        `${'a'.repeat(499)}b`,
        '\u0001'.repeat(120),
      ),
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.string({ unit: fc.constantFrom('é', '北', '🎩', 'ا', '\u{10FFFF}', '\t', "'"), maxLength: 300 }),
    )
    .map((text) => text.replaceAll('\0', '')),
);
const collection = fc.record({
  name,
  holders: fc.nat({ max: 2 }),
  tokens: fc.nat({ max: 2 }),
  day: fc.option(fc.integer({ min: 1, max: 3 })),
});
const directorySize = 120;

beforeAll(async () => {
  await commit((tx) =>
    tx.query(
      `insert into collections.collections (slug, name, holder_count, token_count, refreshed_at)
       select 'c' || n, name, holders, tokens, '2025-12-31T12:34:56.789012Z'::timestamptz + day * interval '1 day'
       from rows from (jsonb_to_recordset($1) as (name text, holders integer, tokens integer, day integer))
         with ordinality as c (name, holders, tokens, day, n)`,
      [JSON.stringify(fc.sample(collection, { seed: 9, numRuns: directorySize }))],
    ),
  );
  // no fence keeps the directory from being read too early from a replica
  let limit = 199;
  await waitFor(
    'the directory',
    async () => (await call(`/v1/collections?limit=${limit--}`)).json.collections.length === directorySize,
  );
});

test.each(['name', '-holders', '-tokens', '-refreshed'])(
  'every page of the directory by %s is accepted by the next, whatever the names, and each collection is on one',
  { timeout: 60_000 },
  async (sort) => {
    const whole = (await call(`/v1/collections?sort=${sort}&limit=200`)).json.collections;
    expect(whole.length).toBe(directorySize);
    for (const pageSize of [1, 7, 50])
      expect(await walk(call, `/v1/collections?sort=${sort}`, 'collections', pageSize)).toEqual(whole);
    const keys = whole.map((one: Record<string, unknown>) => sortKey(one, sort));
    expect(keys).toEqual([...keys].sort(sort === 'name' ? compare : (a, b) => compare(b, a)));
  },
);

function sortKey(one: Record<string, unknown>, sort: string): string | number {
  if (sort === 'name') return Buffer.from([...((one.name as string) ?? '')].slice(0, 100).join('')).toString('hex');
  if (sort === '-refreshed') return (one.refreshedAt as string) ?? '';
  return one[sort === '-holders' ? 'holderCount' : 'tokenCount'] as number;
}

const compare = (a: string | number, b: string | number) => (a < b ? -1 : a > b ? 1 : 0);

const move = fc.record({
  token: fc.nat({ max: 9 }),
  to: fc.integer({ min: 1, max: 6 }),
  log: fc.option(fc.nat({ max: 2 })),
});
let worlds = 0;

test('each holder, transfer, held collection, and token is on one page', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(move, { minLength: 1, maxLength: 30 }),
      fc.integer({ min: 1, max: 4 }),
      async (moves, pageSize) => {
        const world = ++worlds;
        const [hats, person] = [wallet(world * 100), (n: number) => wallet(world * 1_000_000 + n)];
        await commit(async (tx) => {
          await recordNfts(tx, [{ collection: hats, tokenId: '0' }]);
          await recordTransfers(
            tx,
            moves.flatMap(({ token, to, log }, i) => {
              const common = {
                from: zeroAddress,
                to: person(to),
                blockNumber: 100 + (i % 3),
                transactionHash: hash(world * 100 + i),
                ...(log === null ? {} : { logIndex: log }),
              };
              return [
                { collection: hats, tokenId: String(token), ...common },
                { collection: wallet(world * 100 + 1 + token), tokenId: '1', ...common },
              ];
            }),
          );
        });
        for (const [path, list] of [
          [`/v1/collections/${hats}/holders`, 'holders'],
          [`/v1/collections/${hats}/nfts/${moves[0]!.token}/transfers`, 'transfers'],
          [`/v1/wallets/${person(moves[0]!.to)}/collections`, 'collections'],
        ] as const) {
          const { json } = await call(`${path}?limit=200`);
          expect([path, await walk(call, path, list, pageSize)]).toEqual([path, json[list]]);
        }
        const { json: all } = await call(`/v1/collections/${hats}/nfts?pageSize=100`);
        expect(all.total).toBe(all.nfts.length);
        const pages = [];
        for (let page = 1; page <= all.total + 1; page++)
          pages.push(...(await call(`/v1/collections/${hats}/nfts?pageSize=${pageSize}&page=${page}`)).json.nfts);
        expect(pages).toEqual(all.nfts);
      },
    ),
    { numRuns: 8 },
  );
});

test('the holders of a list at a time are on one page each', async () => {
  await commit((tx) =>
    tx.query(`
      insert into collections.collections (slug, holdings_from) values ('club', 'lists');
      insert into collections.holder_snapshots (collection_id, snapshot_at, completed_at)
      select id, '2026-01-01Z', '2026-01-01Z' from collections.collections where slug = 'club';
      insert into collections.snapshot_holders
      select s.id, decode(lpad(to_hex(i), 40, '0'), 'hex'), 1 + i % 2 from collections.holder_snapshots s, generate_series(1, 9) as i`),
  );
  const path = '/v1/collections/club/holders?asOf=2026-02-01T00:00:00Z';
  const { json } = await call(path);
  expect(json.holders.length).toBe(9);
  for (const pageSize of [1, 2, 4]) expect(await walk(call, path, 'holders', pageSize)).toEqual(json.holders);
});

test('a cursor of another sort order, list, or filter is refused, and the problem says so', async () => {
  const { nextCursor } = (await call('/v1/collections?sort=-tokens&limit=1')).json;
  expect((await call(`/v1/collections?sort=-tokens&limit=2&cursor=${nextCursor}`)).json.collections.length).toBe(2);
  for (const target of [
    '/v1/collections?sort=-holders',
    '/v1/collections?',
    '/v1/collections/c1/holders?',
    `/v1/wallets/${wallet(1)}/collections?`,
  ]) {
    const { status, json } = await call(`${target}&cursor=${nextCursor}`);
    expect([target, status, json.errors]).toEqual([
      target,
      400,
      [{ field: 'query.cursor', message: 'belongs to another list, sort order, or filter' }],
    ]);
  }
});

test('a text that is no cursor is refused', async () => {
  for (const text of ['e30', 'W10', 'bnVsbA', 'IiI', 'x'.repeat(1_025)])
    expect([text, await refusal(call, `/v1/collections?cursor=${text}`)]).toEqual([text, [400, ['query.cursor']]]);
});
