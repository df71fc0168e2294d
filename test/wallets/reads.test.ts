import { beforeAll, expect, test } from 'vitest';
import { createWallets } from '../support/wallets.ts';

const size = { moments: 4_000, wallets: 150, editions: 40, scrapes: 5 };
const { warehouse, runJob, call, importFile, database } = await createWallets(size);
beforeAll(async () => {
  for (const job of ['syncMoments', 'syncPrices', 'syncProfiles', 'syncHoldings', 'refreshSnapshots'] as const)
    await runJob(job);
});

/** All pages of a list. */
async function pages(path: string, list: string): Promise<Record<string, never>[]> {
  const all = [];
  for (let cursor = ''; ; ) {
    const { json } = await call(`${path}${path.includes('?') ? '&' : '?'}limit=37${cursor && `&cursor=${cursor}`}`);
    all.push(...json[list]);
    if (json.nextCursor === null) return all;
    cursor = json.nextCursor;
  }
}
const [largest] = [warehouse.world.wallets[0]!];

test.each(['-acquired', 'acquired', 'serial', '-floor', 'moment'])(
  'holdings sorted by %s, page by page, each once',
  async (sort) => {
    const all = await pages(`/v1/wallets/${largest}/holdings?sort=${sort}`, 'holdings');
    const { rows } = await database.pool.query(
      `select count(*)::int as n from wallets.wallet_holdings where wallet_address = decode('${largest.slice(2)}', 'hex')`,
    );
    expect([all.length, new Set(all.map(({ momentId }) => momentId)).size]).toEqual([rows[0].n, rows[0].n]);
    const keys: Record<string, (one: never) => number> = {
      '-acquired': ({ lastEventAt }) => -Date.parse(lastEventAt),
      acquired: ({ lastEventAt }) => Date.parse(lastEventAt),
      serial: ({ serialNumber }) => serialNumber,
      '-floor': ({ floorUsd }) => -Number(floorUsd),
      moment: ({ momentId }) => Number(momentId),
    };
    const found = all.map((one) => keys[sort]!(one as never));
    expect(found).toEqual([...found].sort((a, b) => a - b));
  },
);

test('holdings are narrowed by lock, tier, team and edition', async () => {
  const all = await pages(`/v1/wallets/${largest}/holdings`, 'holdings');
  for (const [query, keep] of [
    ['locked=true', ({ isLocked }) => isLocked],
    ['locked=false', ({ isLocked }) => !isLocked],
    ['tier=RARE', ({ tier }) => tier === 'RARE'],
    [`team=${encodeURIComponent(String(all[0]!.teamName))}`, ({ teamName }) => teamName === all[0]!.teamName],
    [`edition=${all[0]!.editionId}`, ({ editionId }) => editionId === all[0]!.editionId],
    ['tier=COMMON&locked=true', ({ tier, isLocked }) => tier === 'COMMON' && isLocked],
  ] as [string, (one: Record<string, unknown>) => boolean][]) {
    const found = await pages(`/v1/wallets/${largest}/holdings?${query}`, 'holdings');
    expect([query, found.length]).toEqual([query, all.filter(keep).length]);
  }
});

test('a board counts ranks through its pages, and knows the rank of one wallet', async () => {
  for (const by of ['moments', 'floorValue', 'tier.COMMON', 'team.Harbour+Gulls']) {
    const all = await pages(`/v1/leaderboards/wallets?by=${by}`, 'wallets');
    expect([by, all.map(({ rank }) => rank)]).toEqual([by, all.map((_, i) => i + 1)]);
    const values = all.map(({ value }) => Number(value));
    expect(values).toEqual([...values].sort((a, b) => b - a));
    const { rank, address, value } = all[Math.floor(all.length / 2)]!;
    const { json } = await call(`/v1/leaderboards/wallets?by=${by}&limit=1&wallet=${address}`);
    expect([by, json.wallet]).toEqual([by, { rank, address, value }]);
  }
  expect((await call(`/v1/leaderboards/wallets?wallet=0x${'00'.repeat(8)}`)).json.wallet).toBeNull();
});

test('editions are listed by each order, page by page, and narrowed', async () => {
  for (const sort of ['id', '-floor', 'floor', '-lastSale', '-holders', '-supply', '-lockedShare']) {
    const all = await pages(`/v1/editions?sort=${sort}`, 'editions');
    expect([sort, new Set(all.map(({ id }) => id)).size]).toEqual([sort, 40]);
  }
  const { json } = await call('/v1/editions?sort=-holders&limit=2');
  expect(json.editions[0].holders).toBeGreaterThanOrEqual(json.editions[1].holders);
  const { id, tier, teamName, playerName } = json.editions[0];
  const narrowed = await call(
    `/v1/editions?tier=${tier}&team=${encodeURIComponent(teamName)}&player=${encodeURIComponent(playerName)}`,
  );
  expect(narrowed.json.editions.map((one: { id: string }) => one.id)).toContain(id);
  expect((await call(`/v1/editions/${id}`)).json).toMatchObject(json.editions[0]);
  expect((await call('/v1/editions/999-999')).status).toBe(404);
});

test('a price history is read in pages and by range, and a new price is seen at once', async () => {
  const { json } = await call('/v1/editions?limit=1');
  const { id } = json.editions[0];
  const path = `/v1/editions/${id}/price-history`;
  const { prices, scope } = (await call(path)).json;
  expect([scope, prices.length]).toEqual(['edition', 5]);
  const first = await call(`${path}?limit=2`);
  const rest = await call(`${path}?limit=5&cursor=${first.json.nextCursor}`);
  expect([...first.json.prices, ...rest.json.prices]).toEqual(prices);
  const range = await call(`${path}?from=${prices[1].at}&to=${prices[3].at}`);
  expect(range.json.prices).toEqual(prices.slice(1, 3));
  await importFile('prices', 'a.csv', `snapshot_at,edition_id,floor_usd\n2026-11-01T00:00:00Z,${id},99.5\n`);
  expect((await call(path)).json.prices.at(-1)).toMatchObject({ at: '2026-11-01T00:00:00.000Z', floorUsd: '99.5' });
  await runJob('refreshSnapshots');
  expect((await call(`/v1/editions/${id}`)).json.floorUsd).toBe('99.5');
});

test('the explorer’s filters add up', async () => {
  const { json } = await call('/v1/explorer/filters');
  const moments = (list: { moments: number }[]) => list.reduce((all, one) => all + one.moments, 0);
  expect([json.tiers, json.teams, json.players, json.sets].map(moments)).toEqual([4_000, 4_000, 4_000, 4_000]);
});

test('search finds wallets by name and by address, players and teams', async () => {
  const { rows } = await database.pool.query(
    `select wallets.wallet_name(wallet_address) as address, display_name from wallets.wallet_profiles order by 1 limit 1`,
  );
  const [{ address, display_name }] = rows;
  expect((await call(`/v1/search?q=${display_name}`)).json.wallets[0]).toMatchObject({
    address,
    displayName: display_name,
  });
  for (const digits of [5, 6, 18])
    expect(
      (await call(`/v1/search?q=${address.slice(0, digits)}`)).json.wallets.map(
        (one: { address: string }) => one.address,
      ),
    ).toContain(address);
  const found = (await call('/v1/search?q=amsel')).json;
  expect(found.players.map(({ name }: { name: string }) => name)).toContain('Ada Amsel');
  // misspelt
  expect((await call('/v1/search?q=harbor+gulls')).json.teams[0].name).toBe('Harbour Gulls');
  expect((await call('/v1/search?q=%25%25')).json).toEqual({ wallets: [], players: [], teams: [] });
});

const wrong: [target: string, field: string][] = [
  ['/v1/wallets/0xb47e3cd837ddf8e4c57f05d70ab865de6e193bbb/summary', 'path.address'],
  [`/v1/wallets/${largest}/holdings?locked=yes`, 'query.locked'],
  [`/v1/wallets/${largest}/holdings?tier=EPIC`, 'query.tier'],
  [`/v1/wallets/${largest}/holdings?edition=26`, 'query.edition'],
  [`/v1/wallets/${largest}/holdings?cursor=e30`, 'query.cursor'],
  [`/v1/wallets/${largest}/holdings?wallet=1`, 'query.wallet'],
  ['/v1/leaderboards/wallets?by=tier.EPIC', 'query.by'],
  ['/v1/leaderboards/wallets?wallet=me', 'query.wallet'],
  ['/v1/editions?sort=price', 'query.sort'],
  ['/v1/editions/26:565', 'path.id'],
  ['/v1/editions/26-565/price-history?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z', 'query.to'],
  ['/v1/search?q=a', 'query.q'],
  ['/v1/search', 'query.q'],
];
test.each(wrong)('%s is refused, and %s named', async (target, field) => {
  const { status, json } = await call(target);
  expect([status, json.errors?.map((one: { field: string }) => one.field)]).toEqual([
    400,
    expect.arrayContaining([field]),
  ]);
});
