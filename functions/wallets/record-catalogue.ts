/** Stores sets, their tiers, and plays, and derives the names of editions from them. */
import sql, { raw } from 'sql-template-tag';
import type { Changed } from '../../shared/db/changed.ts';
import { columnList, differ, setExcluded } from '../../shared/db/column-lists.ts';
import { type ColumnTypes, TemporaryTable } from '../../shared/db/temporary-table.ts';
import type { Transaction } from '../../shared/db/transaction.ts';

const stagedSets = new TemporaryTable('staged_sets', { id: 'integer', name: 'text' });

/** @source the import `wallets.sets` */
export async function recordSets(tx: Transaction, sets: readonly { id: number; name: string }[]): Promise<Changed> {
  await stagedSets.fill(tx, sets, ({ id, name }) => ({ id, name }));
  return upsert(tx, 'wallets.sets', 'id', stagedSets, sets.length);
}

const stagedTiers = new TemporaryTable('staged_tiers', { set_name: 'text', tier: 'text' });

/** @source the import `wallets.set_tiers` */
export async function recordSetTiers(
  tx: Transaction,
  tiers: readonly { setName: string; tier: string }[],
): Promise<Changed> {
  await stagedTiers.fill(tx, tiers, ({ setName, tier }) => ({ set_name: setName, tier }));
  return upsert(tx, 'wallets.set_tiers', 'set_name', stagedTiers, tiers.length);
}

export interface PlayRecord {
  id: number;
  playerName: string;
  teamName?: string | undefined;
  category?: string | undefined;
  season?: string | undefined;
  momentAt?: Date | undefined;
  /** The source's other fields. */
  details: Record<string, unknown>;
}

const stagedPlays = new TemporaryTable('staged_plays', {
  id: 'integer',
  player_name: 'text',
  team_name: 'text',
  category: 'text',
  season: 'text',
  moment_at: 'timestamptz',
  details: 'jsonb',
});

/** @source the import `wallets.plays` */
export async function recordPlays(tx: Transaction, plays: readonly PlayRecord[]): Promise<Changed> {
  await stagedPlays.fill(tx, plays, (one) => ({
    id: one.id,
    player_name: one.playerName,
    team_name: one.teamName,
    category: one.category,
    season: one.season,
    moment_at: one.momentAt,
    details: one.details,
  }));
  return upsert(tx, 'wallets.plays', 'id', stagedPlays, plays.length);
}

/**
 * Writes the new and changed rows, the last one of each key, and updates the names of editions. What a row does not say
 * stays as it is stored.
 */
async function upsert<Columns extends ColumnTypes>(
  tx: Transaction,
  table: string,
  key: keyof Columns & string,
  staged: TemporaryTable<Columns>,
  recordCount: number,
): Promise<Changed> {
  const described = staged.columnsExcept(key);
  const values = raw(described.map(givenOrStored).join(', '));
  const { rowCount } = await tx.query(sql`
    insert into ${raw(table)} (${columnList(staged.columns)})
    select distinct on (s.${raw(key)}) s.${raw(key)}, ${values}
    from ${staged} s left join ${raw(table)} e on e.${raw(key)} = s.${raw(key)}
    where (${columnList(described, 'e')}) is distinct from (${values})
    order by s.${raw(key)}, s.position desc
    on conflict (${raw(key)}) do update set ${setExcluded(described)}`);
  const applied = rowCount ?? 0;
  if (applied > 0) await updateEditionNames(tx);
  return { applied, unchanged: recordCount - applied };
}

/** The value to store in a column, from the staged row `s` and the stored one `e`. */
function givenOrStored(column: string): string {
  return column === 'details' ? `coalesce(e.details || s.details, s.details)` : `coalesce(s.${column}, e.${column})`;
}

/** Derives the names of each edition from its set, tier, and play. A name that they do not have stays unchanged. */
export async function updateEditionNames(tx: Transaction): Promise<void> {
  await tx.query(sql`
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
      and ${differ(['set_name', 'tier', 'player_name', 'team_name', 'category', 'season', 'moment_at'], 'e', 'd')}`);
}
