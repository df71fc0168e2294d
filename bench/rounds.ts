/**
 * The rounds of a refresh: how many a change takes, and how long the longest transaction is. Vacuum does not run between
 * rounds. Raising the fences of what a round announces is not included.
 */
import type pg from 'pg';
import { auditEditions, auditWallets } from '../functions/wallets/rebuild-snapshots.ts';
import { refreshRound } from '../functions/wallets/refresh-snapshots.ts';
import type { Transaction } from '../shared/db/transaction.ts';
import { changeHoldings, fillReadModels } from './snapshots.ts';
import { fillHoldings, startBenchDatabase, timeMs } from './world.ts';

const tenMillion = 10_000_000;
const largeWallet = 100_000;

/** `npm run bench -- snapshots-10m` */
export async function benchTenMillion(): Promise<void> {
  const { client, stop } = await startBenchDatabase();
  const { wallets } = await fillHoldings(client, tenMillion);
  await fillReadModels(client);
  console.log(`\n${tenMillion} holdings, ${wallets} wallets`);
  await benchRounds(client, wallets);
  await stop();
}

/** Measures the rounds of each kind of change, on filled read models. */
export async function benchRounds(client: pg.Client, wallets: number): Promise<void> {
  console.log('  rounds of a refresh                              rounds   longest     total');
  for (const [i, share] of [0.001, 0.01, 0.1].entries()) {
    await changeHoldings(client, Math.round(wallets * share), 100 + i);
    await report(client, `${share * 100} % of the wallets changed`);
  }
  await scrapeAllEditions(client);
  await report(client, 'new prices of all 2,000 editions');
  await formLargeWallets(client);
  await client.query(`update wallets.wallet_holdings set wallet_address = '\\x000000000000000b' where nft_id = 1`);
  await report(client, `a trade between wallets of ${largeWallet} moments`);
  await client.query(`
    update wallets.wallet_holdings set wallet_address = case when wallet_address = '\\x000000000000000a'
      then '\\x000000000000000b'::bytea else '\\x000000000000000a' end
    where nft_id % 100 = 0 and wallet_address in ('\\x000000000000000a', '\\x000000000000000b')`);
  await report(client, 'a hundredth of their moments traded');
  await markEverythingChanged(client);
  await report(client, 'a first fill');
  await reportAudit(client);
}

async function report(client: pg.Client, what: string): Promise<void> {
  const times: number[] = [];
  for (let isDone = false; !isDone; )
    times.push(
      await inRound(client, async (tx) => {
        ({ isDone } = await refreshRound(tx));
      }),
    );
  print(what, times);
  await client.query('truncate platform.outbox');
  await client.query(
    'vacuum analyze wallets.wallet_summary_snapshot, wallets.wallet_team_counts, wallets.editions_snapshot, wallets.wallet_holdings, wallets.changed_holdings, wallets.changed_moments, wallets.outdated_moments, wallets.dirty_wallets',
  );
}

async function reportAudit(client: pg.Client): Promise<void> {
  const times: number[] = [];
  let drifted = 0;
  for (const audit of [auditWallets, auditEditions])
    for (let after: Awaited<ReturnType<typeof audit>>['next'] | undefined; after !== null; )
      times.push(
        await inRound(client, async (tx) => {
          const { next, drift } = await audit(tx, after ?? undefined);
          after = next;
          drifted += Object.values(drift).reduce((sum, keys) => sum + keys, 0);
        }),
      );
  print(`a rebuild (drift: ${drifted})`, times);
}

function inRound(client: pg.Client, work: (tx: Transaction) => Promise<void>): Promise<number> {
  return timeMs(async () => {
    await client.query('begin isolation level repeatable read');
    await work(client as unknown as Transaction);
    await client.query('commit');
  });
}

function print(what: string, times: readonly number[]): void {
  const [longest, total] = [Math.max(...times), times.reduce((sum, one) => sum + one, 0)].map((ms) =>
    `${(ms / 1_000).toFixed(2)} s`.padStart(9),
  );
  console.log(`    ${what.padEnd(46)} ${String(times.length).padStart(6)} ${longest} ${total}`);
}

async function scrapeAllEditions(client: pg.Client): Promise<void> {
  await client.query(
    `insert into wallets.edition_price_scrape (edition_id, scraped_at, floor_usd, average_sale_usd)
     select id, clock_timestamp(), 3 + id % 200, 4 + id % 300 from wallets.editions`,
  );
}

/** Gives two wallets 100,000 moments each. */
async function formLargeWallets(client: pg.Client): Promise<void> {
  await client.query(`
    set session_replication_role = replica;
    update wallets.wallet_holdings set wallet_address =
      case when nft_id <= ${largeWallet} then '\\x000000000000000a'::bytea else '\\x000000000000000b' end
    where nft_id <= ${2 * largeWallet};
    set session_replication_role = origin`);
  await client.query('vacuum analyze wallets.wallet_holdings');
  await fillReadModels(client);
}

/** Empties the read models, and marks everything as changed, in the order in which a sync reads it. */
async function markEverythingChanged(client: pg.Client): Promise<void> {
  await client.query(`
    truncate wallets.wallet_summary_snapshot, wallets.wallet_team_counts, wallets.editions_snapshot, wallets.edition_prices_snapshot,
      wallets.dirty_wallets, wallets.dirty_editions, wallets.changed_holdings, wallets.changed_moments;
    insert into wallets.dirty_editions select id from wallets.editions;
    insert into wallets.changed_moments (nft_id, edition_id) select nft_id, null from wallets.nft_core_metadata;
    insert into wallets.changed_holdings (nft_id, wallet_address, is_locked, changed_at)
    select nft_id, null, false, now() + interval '1 second' * (row_number() over (order by wallet_address, nft_id) / 50000)
    from wallets.wallet_holdings;
    insert into wallets.dirty_wallets select distinct wallet_address from wallets.wallet_holdings`);
}
