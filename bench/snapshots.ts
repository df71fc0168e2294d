/**
 * Updating the read models, by the share of wallets that changed: applying the changes, compared with TRUNCATE + INSERT of
 * the same tables and with REFRESH MATERIALIZED VIEW CONCURRENTLY of the same queries with the same indexes. And reading
 * the read models, compared with computing the answer. At the largest size, the rounds of each kind of change.
 */
import type pg from 'pg';
import sql from 'sql-template-tag';
import { currentStats } from '../functions/wallets/edition-stats.ts';
import { getWalletSummary } from '../functions/wallets/get-wallet-summary.ts';
import { listTopWallets } from '../functions/wallets/list-top-wallets.ts';
import { refreshRound } from '../functions/wallets/refresh-snapshots.ts';
import { countEditions, countTeams, everyWallet, heldBy, summarize } from '../functions/wallets/summaries.ts';
import type { Transaction } from '../shared/db/transaction.ts';
import type { Endpoint } from '../shared/http/endpoint.ts';
import { benchRounds } from './rounds.ts';
import { fillHoldings, median, spread, startBenchDatabase, timeMs } from './world.ts';

const sizes = [100_000, 300_000, 1_000_000];
const shares = [0.001, 0.01, 0.1];
const rounds = 5;
const reads = 200;

/** `npm run bench -- snapshots` */
export async function benchSnapshots(): Promise<void> {
  const { client, stop } = await startBenchDatabase();
  console.log(`medians of ${rounds} rounds; 10 holdings per wallet, 2,000 editions`);
  const sameChange: number[] = [];
  for (const size of sizes) {
    const { wallets } = await fillHoldings(client, size);
    await fillReadModels(client);
    await createViews(client);
    console.log(`\n${size} holdings, ${wallets} wallets`);
    for (const share of shares) {
      const changed = Math.round(wallets * share);
      const { ours, best } = await benchShare(client, share, changed);
      if (changed === wallets * share && changed === 100) sameChange.push(ours);
      console.log(`    the better of the other two takes ${(best / ours).toFixed(1)} times as long`);
    }
    await benchReads(client);
    if (size === sizes.at(-1)) await benchRounds(client, wallets);
  }
  console.log(
    `\n100 changed wallets, ms at ${sizes.filter((_, i) => i !== 1).join(' and ')} holdings: ${sameChange.map((one) => one.toFixed(1)).join(' and ')}, ${(sameChange.at(-1)! / sameChange[0]!).toFixed(2)} times`,
  );
  await stop();
}

async function benchShare(client: pg.Client, share: number, changed: number): Promise<{ ours: number; best: number }> {
  const times = { ours: [] as number[], truncate: [] as number[], view: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    await changeHoldings(client, changed, round);
    times.ours.push(await refresh(client));
    times.view.push(await timeMs(() => client.query(refreshViews)));
    // three rounds are enough: its time depends only on the size of the table
    if (round < 3) times.truncate.push(await timeMs(() => fillReadModels(client)));
    await client.query(
      'vacuum wallets.wallet_summary_snapshot, wallets.wallet_team_counts, wallets.editions_snapshot, wallets.wallet_holdings, wallets.changed_holdings, wallets.dirty_wallets, wallets.outdated_moments, summary_view, teams_view, editions_view',
    );
  }
  const [ours, truncate, view] = [times.ours, times.truncate, times.view].map(median) as [number, number, number];
  console.log(`  ${share * 100} % of the wallets (${changed}) changed`);
  console.log(`    applying the changes               ${spread(times.ours, 1)} ms`);
  console.log(
    `    TRUNCATE + INSERT                  ${spread(times.truncate, 0)} ms   ${(truncate / ours).toFixed(1)} ×`,
  );
  console.log(`    REFRESH … CONCURRENTLY             ${spread(times.view, 0)} ms   ${(view / ours).toFixed(1)} ×`);
  return { ours, best: Math.min(truncate, view) };
}

/** Locks or unlocks one moment of each of `wallets` wallets, and moves half of them to another of these wallets. */
export async function changeHoldings(client: pg.Client, wallets: number, round: number): Promise<void> {
  await client.query(
    `with chosen as (
       select wallet_address, row_number() over () as n from wallets.wallet_summary_snapshot
       order by hashtextextended(wallet_address::text, $2) limit $1
     ), moment as (
       select c.n, c.wallet_address, min(h.nft_id) as nft_id, lag(c.wallet_address) over (order by c.n) as previous
       from chosen c join wallets.wallet_holdings h using (wallet_address) group by 1, 2
     )
     update wallets.wallet_holdings h
     set is_locked = not h.is_locked, last_event_ts = now(), last_synced_at = now(),
       wallet_address = case when m.n % 2 = 0 then coalesce(m.previous, h.wallet_address) else h.wallet_address end
     from moment m where h.nft_id = m.nft_id`,
    [wallets, round],
  );
  await client.query('analyze wallets.wallet_holdings');
}

async function refresh(client: pg.Client): Promise<number> {
  const elapsedMs = await timeMs(async () => {
    for (let isDone = false; !isDone; ) {
      await client.query('begin isolation level repeatable read');
      ({ isDone } = await refreshRound(client as unknown as Transaction));
      await client.query('commit');
    }
  });
  await client.query('delete from platform.outbox');
  return elapsedMs;
}

const everything = countEditions(heldBy(everyWallet)).text;

/** TRUNCATE + INSERT. */
export async function fillReadModels(client: pg.Client): Promise<void> {
  await client.query(`
    begin;
    truncate wallets.wallet_summary_snapshot, wallets.wallet_team_counts, wallets.editions_snapshot;
    insert into wallets.wallet_summary_snapshot select n.*, now() from (${summarize(countEditions(heldBy(everyWallet))).text}) as n;
    insert into wallets.wallet_team_counts ${countTeams(countEditions(heldBy(everyWallet))).text};
    insert into wallets.editions_snapshot select n.*, now() from (${currentStats.text}) as n;
    commit;
    analyze wallets.wallet_summary_snapshot, wallets.wallet_team_counts, wallets.editions_snapshot`);
}

async function createViews(client: pg.Client): Promise<void> {
  await client.query(`
    drop materialized view if exists summary_view, teams_view, editions_view;
    create materialized view summary_view as ${summarize(sql([everything])).text};
    create unique index on summary_view (wallet_address);
    create index on summary_view (moments_total, wallet_address);
    create index on summary_view (floor_value, wallet_address) where floor_value > 0;
    create index on summary_view (tier_common, wallet_address) where tier_common > 0;
    create index on summary_view (tier_uncommon, wallet_address) where tier_uncommon > 0;
    create index on summary_view (tier_rare, wallet_address) where tier_rare > 0;
    create index on summary_view (tier_legendary, wallet_address) where tier_legendary > 0;
    create index on summary_view (tier_ultimate, wallet_address) where tier_ultimate > 0;
    create materialized view teams_view as ${countTeams(sql([everything])).text};
    create unique index on teams_view (wallet_address, team_name);
    create index on teams_view (team_name, moments, wallet_address);
    create materialized view editions_view as ${currentStats.text};
    create unique index on editions_view (edition_id)`);
}

const refreshViews = `
  refresh materialized view concurrently summary_view;
  refresh materialized view concurrently teams_view;
  refresh materialized view concurrently editions_view`;

/** Times the statements of the reads with the snapshot and, in a transaction that is rolled back, without it. */
async function benchReads(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ address: string }>(
    `select wallets.wallet_name(wallet_address) as address from wallets.wallet_summary_snapshot
     order by hashtextextended(wallet_address::text, 7) limit ${reads}`,
  );
  const summaries = rows.map(({ address }) => statementOf(getWalletSummary, { address }, {}));
  const boards = ['moments', 'floorValue', 'tier.LEGENDARY', 'team.Team 7'].map((by) =>
    statementOf(listTopWallets, {}, { by, wallet: rows[0]!.address }),
  );
  const measure = async (statements: { text: string; values: unknown[] }[], times: number) => {
    const found: number[] = [];
    for (let i = 0; i < times; i++) found.push(await timeMs(() => client.query(statements[i % statements.length]!)));
    return median(found);
  };
  const snapshot = [await measure(summaries, reads), await measure(boards, 40)] as const;
  await client.query('begin; truncate wallets.wallet_summary_snapshot, wallets.wallet_team_counts');
  const live = [await measure(summaries, reads), await measure(boards, 4)] as const;
  await client.query('rollback');
  for (const [i, what] of ['summary', 'leaderboard'].entries())
    console.log(
      `  a ${what.padEnd(12)} from the snapshot ${snapshot[i]!.toFixed(2)} ms, live ${live[i]!.toFixed(2)} ms: ${(live[i]! / snapshot[i]!).toFixed(0)} ×`,
    );
}

function statementOf({ operation, statement }: Endpoint, path: object, query: object) {
  const input = { path: operation.pathParameters.parse(path), query: operation.query.parse(query), body: undefined };
  const { text, values } = statement!(input as never);
  return { text, values };
}
