import sql, { type Sql } from 'sql-template-tag';
import { read } from '../../shared/http/endpoint.ts';
import { operations } from './contract.ts';

const addressDigits = 16;

/**
 * Wallets whose display name is like the text, or whose address begins with it (`0x` and at least two hex digits);
 * players and teams whose name is like it. The most similar first, then by name; at most 50 of each kind.
 *
 * Fresh: a new or changed name hides the cached answer at once.
 */
export const search = read(operations.search, {
  statement: ({ query: { q, limit } }) => sql`
    select jsonb_build_object(
        'wallets', coalesce((
          select jsonb_agg(jsonb_build_object('address', wallets.wallet_name(wallet_address), 'displayName', display_name,
            'momentsTotal', moments_total) order by likeness desc, display_name, wallet_address)
          from (
            select found.wallet_address, p.display_name, s.moments_total, max(found.likeness) as likeness
            from (${walletsNamed(q, limit)}) as found
              left join wallets.wallet_profiles p on p.wallet_address = found.wallet_address
              left join wallets.wallet_summary_snapshot s on s.wallet_address = found.wallet_address
            group by found.wallet_address, p.display_name, s.moments_total
            order by likeness desc, p.display_name, found.wallet_address limit ${limit}
          ) as best), '[]'),
        'players', ${editionsNamed('player_name', q, limit)},
        'teams', ${editionsNamed('team_name', q, limit)}
      )::text as body`,
});

function walletsNamed(text: string, limit: number): Sql {
  const byName = sql`
    (select wallet_address, public.word_similarity(${text}, display_name) as likeness from wallets.wallet_profiles
     where display_name operator(public.%>) ${text} or display_name ilike ${containing(text)}
     order by likeness desc, display_name limit ${limit})`;
  const digits = /^0x([0-9a-f]{2,16})$/i.exec(text)?.[1]?.toLowerCase();
  if (digits === undefined) return byName;
  const [first, last] = ['0', 'f'].map((filler) => Buffer.from(digits.padEnd(addressDigits, filler), 'hex'));
  return sql`${byName} union all
    (select wallet_address, 1 from wallets.wallet_summary_snapshot
     where wallet_address between ${first} and ${last} order by wallet_address limit ${limit})`;
}

function editionsNamed(column: 'player_name' | 'team_name', text: string, limit: number): Sql {
  const name = column === 'player_name' ? sql`e.player_name` : sql`e.team_name`;
  return sql`coalesce((
    select jsonb_agg(jsonb_build_object('name', name, 'editions', editions) order by likeness desc, name)
    from (
      select ${name} as name, count(*) as editions, public.word_similarity(${text}, ${name}) as likeness
      from wallets.editions e
      where ${name} operator(public.%>) ${text} or ${name} ilike ${containing(text)}
      group by ${name} order by likeness desc, ${name} limit ${limit}
    ) as best), '[]')`;
}

/** The pattern of LIKE for texts that contain this one. */
const containing = (text: string): string => `%${text.replace(/[\\%_]/g, '\\$&')}%`;
