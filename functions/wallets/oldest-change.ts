import sql from 'sql-template-tag';
import { query } from '../../shared/db/read.ts';

/** The age of the oldest change that the read models do not show yet, in seconds. 0 if they show every change. */
export async function oldestChangeSeconds(): Promise<number> {
  const [oldest] = await query<{ seconds: number }>(
    sql`
      select coalesce(extract(epoch from clock_timestamp() - min(changed_at)), 0)::float8 as seconds
      from (
        (select changed_at from wallets.outdated_moments order by changed_at limit 1)
        union all select min(changed_at) from wallets.changed_holdings
        union all select min(changed_at) from wallets.changed_moments
        union all select min(changed_at) from wallets.new_sales
        union all select min(changed_at) from wallets.dirty_wallets
        union all select min(changed_at) from wallets.dirty_editions
      ) as oldest`,
    'sync',
  );
  return oldest!.seconds;
}
