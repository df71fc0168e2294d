/** The database of the wallets benchmarks: a migrated Postgres without a replica and without autovacuum. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { startPostgres } from '../local/postgres.ts';
import { migrate } from '../test/support/migrate.ts';
import { tempFolder } from '../test/support/temp-folder.ts';

export interface BenchDatabase {
  client: pg.Client;
  writer: string;
  stop(): Promise<void>;
}

export async function startBenchDatabase(): Promise<BenchDatabase> {
  const directory = await tempFolder('tributary-bench');
  const postgres = await startPostgres({ directory: join(directory, 'postgres'), log: () => {} });
  await postgres.stopReplica();
  const client = await postgres.connect();
  await client.query(`select pg_drop_replication_slot('replica')`);
  await client.query(`alter system set autovacuum = off`);
  await client.query('select pg_reload_conf()');
  await migrate(client);
  return {
    client,
    writer: postgres.writer,
    async stop() {
      await client.end();
      await postgres.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/**
 * Fills the tables with holdings, always the same for one size: 2,000 editions and 10 holdings per wallet on average, with
 * a few large wallets.
 */
export async function fillHoldings(client: pg.Client, holdings: number): Promise<{ wallets: number }> {
  const wallets = holdings / 10;
  await client.query(`
    truncate wallets.editions, wallets.nft_core_metadata, wallets.wallet_holdings, wallets.edition_prices,
      wallets.edition_price_scrape, wallets.wallet_summary_snapshot, wallets.wallet_team_counts,
      wallets.editions_snapshot, wallets.edition_prices_snapshot, wallets.dirty_wallets, wallets.dirty_editions, wallets.changed_holdings,
      wallets.changed_moments, wallets.new_sales, wallets.outdated_moments, platform.outbox restart identity cascade;
    select setseed(0.5);
    set session_replication_role = replica;
    insert into wallets.editions (set_id, play_id, set_name, tier, player_name, team_name)
    select 1 + i % 40, i, 'Set ' || i % 40,
      (array['COMMON', 'COMMON', 'COMMON', 'COMMON', 'UNCOMMON', 'RARE', 'RARE', 'LEGENDARY', 'ULTIMATE'])[1 + i % 9],
      'Player ' || i % 400, 'Team ' || i % 30
    from generate_series(1, 2000) as i;
    insert into wallets.edition_prices select id, now(), 1 + id % 300, 2 + id % 400 from wallets.editions;
    insert into wallets.nft_core_metadata select i, 1 + floor(random() * 2000), 1 + i % 15000 from generate_series(1, ${holdings}) as i;
    insert into wallets.wallet_holdings
    select i, int8send(hashint8extended(floor(${wallets} * random() ^ 1.5)::bigint, 0)),
      random() < 0.3, now() - random() * interval '700 days', now()
    from generate_series(1, ${holdings}) as i order by 2, 1;
    set session_replication_role = origin`);
  await client.query('vacuum analyze');
  return { wallets };
}

export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

/** The median with the lowest and highest value: `0.21 (0.19 to 0.24)`. */
export function spread(values: readonly number[], digits = 2): string {
  const [low, middle, high] = [Math.min(...values), median(values), Math.max(...values)].map((one) =>
    one.toFixed(digits),
  );
  return `${middle} (${low} to ${high})`;
}

export async function timeMs(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}
