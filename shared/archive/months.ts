import type { Session } from '../db/session.ts';
import type { TieredTable } from '../kernel/table.ts';
import { type Month, nameOf } from './export.ts';
import { monthOf } from './state.ts';

const dayMs = 86_400_000;

/**
 * The months that are due, oldest first: those whose last day is older than the table keeps warm and that have rows in
 * Postgres, and those that are on their way.
 */
export async function monthsToArchive(session: Session, table: TieredTable, now: Date): Promise<Month[]> {
  const name = nameOf(table);
  const before = new Date(now.getTime() - table.tiers.warmDays * dayMs);
  const { rows } = await session.query<{ month: string }>(
    `select month::date::text as month from (
       select distinct date_trunc('month', day, 'UTC') at time zone 'UTC' as month from ${name}_packed where day < $2
       union
       select distinct date_trunc('month', ${table.column}, 'UTC') at time zone 'UTC' from ${name}_late where ${table.column} < $2
       union
       select month from platform.archives
       where name = $1 and (state not in ('dropped', 'restored', 'expired') or previous_key is not null)
     ) as m order by 1`,
    [name, before],
  );
  const { rows: tiers } = await session.query<{ packed_until: Date }>(
    'select packed_until from platform.tiers where name = $1',
    [name],
  );
  const until = Math.min(before.getTime(), tiers[0]!.packed_until.getTime());
  return rows.map(({ month }) => monthOf(month)).filter(({ to }) => to.getTime() <= until);
}
