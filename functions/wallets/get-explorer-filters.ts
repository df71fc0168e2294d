import sql, { raw, type Sql } from 'sql-template-tag';
import { read } from '../../shared/http/endpoint.ts';
import { operations } from './contract.ts';
import { editionStats } from './edition-stats.ts';

/**
 * All tiers, teams, players, and sets, ordered by name, each with its number of editions and moments.
 *
 * Counts are as of the snapshot's last refresh. New or renamed editions show at once.
 */
export const getExplorerFilters = read(operations.getExplorerFilters, {
  statement: () => sql`
    with stats as (${editionStats}),
      named as (select e.*, coalesce(s.supply, 0) as supply, s.updated_at, s.live
                from wallets.editions e left join stats s on s.edition_id = e.id)
    select jsonb_build_object(
        'tiers', ${countedBy('tier')}, 'teams', ${countedBy('team_name')}, 'players', ${countedBy('player_name')},
        'sets', ${countedBy('set_name')}
      )::text as body, (select max(updated_at) from named) as as_of,
      (select bool_or(live) from named) as live`,
});

function countedBy(column: 'tier' | 'team_name' | 'player_name' | 'set_name'): Sql {
  const name = raw(column);
  return sql`coalesce((
    select jsonb_agg(jsonb_build_object('name', name, 'editions', editions, 'moments', moments) order by name)
    from (select ${name} as name, count(*) as editions, sum(supply) as moments from named
          where ${name} is not null group by ${name}) as counted), '[]')`;
}
