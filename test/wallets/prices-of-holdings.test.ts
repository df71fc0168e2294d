import { beforeEach, expect, test } from 'vitest';
import { recordHoldings } from '../../functions/wallets/record-holdings.ts';
import { recordMoments } from '../../functions/wallets/record-moments.ts';
import { recordEditionPrices } from '../../functions/wallets/record-prices.ts';
import { refreshRound } from '../../functions/wallets/refresh-snapshots.ts';
import { commit } from '../../shared/changes/commit.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { createTestDomain } from '../support/test-domain.ts';

const { call, runMessage, database } = await createTestDomain('wallets');
const runJob = async (job: string) => {
  await runMessage({ job: `wallets.${job}`, requestedBy: 'test' });
  const { rows } = await database.pool.query('select error, result from platform.jobs order by id desc limit 1');
  expect(rows[0].error).toBeNull();
  return rows[0].result;
};
const wallet = (n: number) => `0x${n.toString(16).padStart(16, '0')}`;
let second = 1_700_000_000;
const micros = () => BigInt(second++) * 1_000_000n;
const hold = (nft: number, owner: number) => (tx: Transaction) =>
  recordHoldings(tx, [{ nftId: String(nft), wallet: wallet(owner), isLocked: false, lastEventMicros: micros() }]);
const describeMoment = (nft: number, playId: number) => (tx: Transaction) =>
  recordMoments(tx, [{ nftId: String(nft), setId: 1, playId, serialNumber: nft }]);
const price = (playId: number, floorUsd: string) => (tx: Transaction) =>
  recordEditionPrices(tx, [{ setId: 1, playId, scrapedMicros: micros(), floorUsd, averageSaleUsd: '1', saleCount: 1 }]);
const holdings = async (owner: number) => {
  const { json, headers } = await call(`/v1/wallets/${wallet(owner)}/holdings?sort=moment`);
  return [headers['x-cache'], json.holdings.map(({ floorUsd }: { floorUsd: string | null }) => floorUsd)];
};

// two wallets, each with one moment of a different edition
beforeEach(async () => {
  for (const n of [1, 2]) {
    await commit(describeMoment(n, n));
    await commit(hold(n, n));
    await commit(price(n, '5'));
  }
  await runJob('refreshSnapshots');
  expect([await holdings(1), await holdings(2)]).toEqual([
    ['miss', ['5']],
    ['miss', ['5']],
  ]);
});

test('a new price voids only the lists of wallets that hold the edition', async () => {
  await commit(price(1, '6'));
  expect([await holdings(1), await holdings(2)]).toEqual([
    ['hit', ['5']],
    ['hit', ['5']],
  ]);
  await runJob('refreshSnapshots');
  expect([await holdings(1), await holdings(2)]).toEqual([
    ['miss', ['6']],
    ['hit', ['5']],
  ]);
});

const concurrentChanges: [what: string, change: () => Promise<unknown>][] = [
  ['receives the edition', () => commit(hold(1, 2))],
  ['holds a moment that is moved to the edition', () => commit(describeMoment(2, 1))],
];

test.each(concurrentChanges)(
  'a wallet that %s while a refresh runs shows the new price after the next round',
  async (_, change) => {
    await commit(price(1, '6'));
    await commit(async (tx) => {
      await tx.query('select 1 as takes_the_snapshot');
      await change();
      // cached after the change, but before the refresh publishes its prices
      expect(await holdings(2)).toEqual(['miss', expect.arrayContaining(['5'])]);
      return refreshRound(tx);
    }, 'repeatable read');
    await runJob('refreshSnapshots');
    expect(await holdings(2)).toEqual(['miss', expect.arrayContaining(['6'])]);
    await commit(hold(1, 1));
    await commit(describeMoment(2, 2));
  },
);

test('drift of a shown price is reported and repaired, and voids the lists that show it', async () => {
  await database.pool.query('update wallets.edition_prices_snapshot set floor_usd = 99');
  await commit(hold(3, 1));
  await runJob('refreshSnapshots');
  expect(await holdings(1)).toEqual(['miss', ['99', null]]);
  expect((await runJob('rebuildSnapshots')).drift).toEqual({ wallets: 0, teamCounts: 0, editions: 2 });
  expect(await holdings(1)).toEqual(['miss', ['5', null]]);
  await commit((tx) => tx.query('delete from wallets.wallet_holdings where nft_id = 3'));
});
