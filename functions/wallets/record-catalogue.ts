/** Sets, their tiers, and plays; and what follows from them for the editions. */
import type { Changed } from '../../shared/db/changed.ts';
import { stageRows } from '../../shared/db/stage-rows.ts';
import type { Transaction } from '../../shared/db/transaction.ts';

/** @source the import `wallets.sets` */
export async function recordSets(tx: Transaction, sets: readonly { id: number; name: string }[]): Promise<Changed> {
  await stageRows(
    tx,
    'staged_sets',
    { id: 'integer', name: 'text' },
    sets.map(({ id, name }) => [id, name]),
  );
  return settle(
    tx,
    sets.length,
    `insert into wallets.sets (id, name)
     select distinct on (s.id) s.id, s.name from pg_temp.staged_sets s left join wallets.sets e on e.id = s.id
     where e.name is distinct from s.name order by s.id, s.position desc
     on conflict (id) do update set name = excluded.name`,
  );
}

/** @source the import `wallets.set_tiers` */
export async function recordSetTiers(
  tx: Transaction,
  tiers: readonly { setName: string; tier: string }[],
): Promise<Changed> {
  await stageRows(
    tx,
    'staged_tiers',
    { set_name: 'text', tier: 'text' },
    tiers.map(({ setName, tier }) => [setName, tier]),
  );
  return settle(
    tx,
    tiers.length,
    `insert into wallets.set_tiers (set_name, tier)
     select distinct on (s.set_name) s.set_name, s.tier
     from pg_temp.staged_tiers s left join wallets.set_tiers e on e.set_name = s.set_name
     where e.tier is distinct from s.tier order by s.set_name, s.position desc
     on conflict (set_name) do update set tier = excluded.tier`,
  );
}

export interface PlayRecord {
  id: number;
  playerName: string;
  teamName?: string | undefined;
  category?: string | undefined;
  season?: string | undefined;
  momentAt?: Date | undefined;
  /** What else the source says. */
  details: Record<string, unknown>;
}

/** @source the import `wallets.plays` */
export async function recordPlays(tx: Transaction, plays: readonly PlayRecord[]): Promise<Changed> {
  await stageRows(
    tx,
    'staged_plays',
    {
      id: 'integer',
      player_name: 'text',
      team_name: 'text',
      category: 'text',
      season: 'text',
      moment_at: 'timestamptz',
      details: 'jsonb',
    },
    plays.map((one) => [
      one.id,
      one.playerName,
      one.teamName,
      one.category,
      one.season,
      one.momentAt,
      JSON.stringify(one.details),
    ]),
  );
  return settle(
    tx,
    plays.length,
    `insert into wallets.plays (id, player_name, team_name, category, season, moment_at, details)
     select distinct on (s.id) s.id, s.player_name, s.team_name, s.category, s.season, s.moment_at, s.details
     from pg_temp.staged_plays s left join wallets.plays e on e.id = s.id
     where (e.player_name, e.team_name, e.category, e.season, e.moment_at, e.details)
       is distinct from (s.player_name, s.team_name, s.category, s.season, s.moment_at, s.details)
     order by s.id, s.position desc
     on conflict (id) do update set player_name = excluded.player_name, team_name = excluded.team_name,
       category = excluded.category, season = excluded.season, moment_at = excluded.moment_at, details = excluded.details`,
  );
}

async function settle(tx: Transaction, given: number, upsert: string): Promise<Changed> {
  const { rowCount } = await tx.query(upsert);
  const applied = rowCount ?? 0;
  if (applied > 0) await settleEditions(tx);
  return { applied, unchanged: given - applied };
}

/** Gives each edition the names that follow from its set, tier and play; what none of these says stays as it is. */
export async function settleEditions(tx: Transaction): Promise<void> {
  await tx.query(`
    update wallets.editions e
    set set_name = d.set_name, tier = d.tier, player_name = d.player_name, team_name = d.team_name,
      category = d.category, season = d.season, moment_at = d.moment_at
    from (
      select e.id, coalesce(s.name, e.set_name) as set_name, coalesce(t.tier, e.tier) as tier,
        coalesce(p.player_name, e.player_name) as player_name, coalesce(p.team_name, e.team_name) as team_name,
        coalesce(p.category, e.category) as category, coalesce(p.season, e.season) as season,
        coalesce(p.moment_at, e.moment_at) as moment_at
      from wallets.editions e
        left join wallets.sets s on s.id = e.set_id
        left join wallets.set_tiers t on t.set_name = coalesce(s.name, e.set_name)
        left join wallets.plays p on p.id = e.play_id
    ) as d
    where d.id = e.id
      and (e.set_name, e.tier, e.player_name, e.team_name, e.category, e.season, e.moment_at)
        is distinct from (d.set_name, d.tier, d.player_name, d.team_name, d.category, d.season, d.moment_at)`);
}
