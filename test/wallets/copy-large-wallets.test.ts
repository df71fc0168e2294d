import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { largeWalletSize } from '../../functions/wallets/copy-large-wallets.ts';
import { commit } from '../../shared/changes/commit.ts';
import { createMoments, describeMoment, hold, noon, price, wallet } from '../support/moments.ts';

const { call, refresh, runMessage, database } = await createMoments();
const copy = () => runMessage({ job: 'wallets.copyLargeWallets', requestedBy: 'test' });
const rows = async (statement: string) => (await database.pool.query(statement)).rows;
const large = 0xa;

beforeEach(() =>
  database.pool.query(`
    truncate wallets.editions, wallets.nft_core_metadata, wallets.wallet_holdings, wallets.large_wallets,
      wallets.large_wallet_holdings, wallets.wallet_summary_snapshot, wallets.edition_prices_snapshot,
      wallets.edition_prices, wallets.edition_price_scrape, wallets.dirty_wallets, wallets.dirty_editions,
      wallets.changed_holdings, wallets.changed_moments cascade`),
);

const holdMany = (count: number) =>
  database.pool.query(
    `insert into wallets.wallet_holdings
     select i, '\\x000000000000000a', i % 3 = 0, '2026-01-01Z'::timestamptz + (i % 50) * interval '1 hour', now()
     from generate_series(1000, 999 + $1::integer) as i`,
    [count],
  );

const different = `
  select * from wallets.large_wallet_holdings l full join (
      select h.wallet_address, h.is_locked, h.nft_id, h.last_event_ts,
        coalesce(m.edition_id, 0) as edition_id, coalesce(m.serial_number, 2147483647) as serial_number
      from wallets.wallet_holdings h join wallets.large_wallets w using (wallet_address)
        left join wallets.nft_core_metadata m using (nft_id)
    ) as held using (wallet_address, is_locked, nft_id)
  where (l.edition_id, l.serial_number, l.last_event_ts)
    is distinct from (held.edition_id, held.serial_number, held.last_event_ts)`;

test('copies the holdings of a wallet that became large, and deletes them when it is small again', async () => {
  const list = async () => (await call(`/v1/wallets/${wallet(large)}/holdings?sort=acquired`)).json;
  await holdMany(largeWalletSize);
  await commit((tx) => hold(tx, 1, 0xb, noon(1)));
  const small = await list();
  await refresh();
  await copy();
  expect(await rows('select wallet_address, is_complete from wallets.large_wallets')).toEqual([
    { wallet_address: Buffer.from(wallet(large).slice(2), 'hex'), is_complete: true },
  ]);
  expect([(await rows('select from wallets.large_wallet_holdings')).length, await rows(different)]).toEqual([
    largeWalletSize,
    [],
  ]);
  await commit((tx) => hold(tx, 1, 0xc, noon(2)));
  expect(await list()).toEqual(small);

  await database.pool.query(`delete from wallets.wallet_holdings where nft_id >= 1100`);
  await refresh();
  await copy();
  expect([
    await rows('select from wallets.large_wallets'),
    await rows('select from wallets.large_wallet_holdings'),
  ]).toEqual([[], []]);
});

test('reads the holdings themselves until the copy is complete', async () => {
  await holdMany(5);
  await database.pool.query(`insert into wallets.large_wallets (wallet_address) values ('\\x000000000000000a')`);
  await commit((tx) => hold(tx, 1_003, large, noon(20), true));
  expect((await call(`/v1/wallets/${wallet(large)}/holdings?sort=moment`)).json.holdings.length).toBe(5);
  await refresh();
  await database.pool.query(`update wallets.wallet_summary_snapshot set moments_total = $1`, [largeWalletSize]);
  await copy();
  expect([await rows(different), (await rows('select from wallets.large_wallet_holdings')).length]).toEqual([[], 5]);
  expect((await call(`/v1/wallets/${wallet(large)}/holdings?sort=moment`)).json.holdings.length).toBe(5);
});

const nft = fc.integer({ min: 1, max: 6 });
const change = fc.oneof(
  fc.record({
    kind: fc.constant('hold' as const),
    nft,
    owner: fc.integer({ min: large, max: large + 2 }),
    day: fc.integer({ min: 1, max: 9 }),
    locked: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('describe' as const),
    nft,
    play: fc.integer({ min: 1, max: 3 }),
    serial: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({ kind: fc.constant('remove' as const), nft }),
  fc.record({ kind: fc.constant('forget' as const), nft }),
);

test('any history leaves the copy equal to the holdings, and both sources of a list the same', {
  timeout: 120_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 12 }), async (changes) => {
      await database.pool.query(`
        truncate wallets.editions, wallets.nft_core_metadata, wallets.wallet_holdings, wallets.large_wallets, wallets.large_wallet_holdings cascade;
        insert into wallets.large_wallets (wallet_address, is_complete) values ('\\x000000000000000a', true), ('\\x000000000000000b', true)`);
      await commit((tx) => price(tx, 1, noon(1), '5'));
      for (const one of changes)
        await commit(async (tx) => {
          if (one.kind === 'hold') await hold(tx, one.nft, one.owner, noon(one.day), one.locked);
          else if (one.kind === 'describe') await describeMoment(tx, one.nft, one.play, { serialNumber: one.serial });
          else if (one.kind === 'remove')
            await tx.query('delete from wallets.wallet_holdings where nft_id = $1', [one.nft]);
          else await tx.query('delete from wallets.nft_core_metadata where nft_id = $1', [one.nft]);
        });
      await refresh();
      expect(await rows(different)).toEqual([]);
      const lists = async (limit: number) => {
        const found = [];
        for (const sort of ['-acquired', 'acquired', 'serial', '-floor', 'moment'])
          for (const filter of ['', '&locked=false', '&edition=1-1'])
            found.push(
              (await call(`/v1/wallets/${wallet(large)}/holdings?sort=${sort}${filter}&limit=${limit}`)).json.holdings,
            );
        return found;
      };
      const copied = await lists(200);
      await database.pool.query('truncate wallets.large_wallets');
      // not the cached answers
      expect(await lists(199)).toEqual(copied);
    }),
    { numRuns: 15 },
  );
});

test('a moment and its holder that arrive at the same time meet in the copy', async () => {
  await database.pool.query(
    `insert into wallets.large_wallets (wallet_address, is_complete) values ('\\x000000000000000a', true)`,
  );
  for (let n = 1; n <= 10; n++)
    await Promise.all([commit((tx) => hold(tx, n, large, noon(1))), commit((tx) => describeMoment(tx, n, 1))]);
  expect([
    await rows(different),
    (await rows('select from wallets.large_wallet_holdings where edition_id > 0')).length,
  ]).toEqual([[], 10]);
});
