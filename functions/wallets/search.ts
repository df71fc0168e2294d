import sql, { type Sql } from 'sql-template-tag';
import { read } from '../../shared/http/endpoint.ts';
import { operations } from './contract.ts';

const addressDigits = 16;

/** Of more similar names than this, only so many are compared, and those that begin with the query. */
const maxCandidates = 1_000;

/**
 * Wallets with a display name similar to the query, or an address that starts with it (`0x` and at least two hex digits);
 * players and teams with a similar name. Most similar first, then by name. At most 50 of each kind.
 *
 * A name that contains the query is found too, if the query has three letters or digits in a row: shorter ones match the
 * beginnings of words.
 *
 * A new or changed name shows at once.
 */
export const search = read(operations.search, {
  statement: ({ query: { q, limit } }) => sql`
    select jsonb_build_object(
        'wallets', coalesce((
          select jsonb_agg(jsonb_build_object('address', wallets.wallet_name(wallet_address), 'displayName', display_name,
            'momentsTotal', moments_total) order by likeness desc, display_name, wallet_address)
          from (
            select found.wallet_address, p.display_name, s.moments_total, max(found.likeness) as likeness
            from (${matchingWallets(q, limit)}) as found
              left join wallets.wallet_profiles p on p.wallet_address = found.wallet_address
              left join wallets.wallet_summary_snapshot s on s.wallet_address = found.wallet_address
            group by found.wallet_address, p.display_name, s.moments_total
            order by likeness desc, p.display_name, found.wallet_address limit ${limit}
          ) as best), '[]'),
        'players', ${matchingNames('player_name', q, limit)},
        'teams', ${matchingNames('team_name', q, limit)}
      )::text as body`,
});

/** The key of the index of names by their beginnings. */
const beginning = sql`left(lower(display_name), 100) collate "C"`;

function matchingWallets(text: string, limit: number): Sql {
  const byName = sql`
    (with alike as materialized (
       select wallet_address, display_name from wallets.wallet_profiles where ${isLike(sql`display_name`, text)}
     ), candidates as (
       (select * from alike limit ${maxCandidates})
       union
       (select wallet_address, display_name from wallets.wallet_profiles
        where ${beginning} >= lower(${text}) collate "C" and ${beginning} < lower(${text}) || U&'\\+10FFFF' collate "C"
        order by ${beginning} limit ${limit})
     )
     select wallet_address, public.word_similarity(${text}, display_name) as likeness from candidates
     order by likeness desc, display_name limit ${limit})`;
  const digits = /^0x([0-9a-f]{2,16})$/i.exec(text)?.[1]?.toLowerCase();
  if (digits === undefined) return byName;
  const [first, last] = ['0', 'f'].map((filler) => Buffer.from(digits.padEnd(addressDigits, filler), 'hex'));
  return sql`${byName} union all
    (select wallet_address, 1 from wallets.wallet_summary_snapshot
     where wallet_address between ${first} and ${last} order by wallet_address limit ${limit})`;
}

function matchingNames(column: 'player_name' | 'team_name', text: string, limit: number): Sql {
  const name = column === 'player_name' ? sql`e.player_name` : sql`e.team_name`;
  return sql`coalesce((
    select jsonb_agg(jsonb_build_object('name', name, 'editions', editions) order by likeness desc, name)
    from (
      select ${name} as name, count(*) as editions, public.word_similarity(${text}, ${name}) as likeness
      from wallets.editions e
      where ${isLike(name, text)}
      group by ${name} order by likeness desc, ${name} limit ${limit}
    ) as best), '[]')`;
}

/**
 * Whether a name matches a text. The index finds both by three letters in a row. Of a shorter text it has the beginnings
 * of words, which are similar to it, but not what only contains it.
 */
function isLike(name: Sql, text: string): Sql {
  const isSimilar = sql`${name} operator(public.%>) ${text}`;
  return /[\p{L}\p{N}]{3}/u.test(text) ? sql`(${isSimilar} or ${name} ilike ${likePattern(text)})` : isSimilar;
}

/** The LIKE pattern that matches strings containing a text. */
const likePattern = (text: string): string => `%${text.replace(/[\\%_]/g, '\\$&')}%`;
