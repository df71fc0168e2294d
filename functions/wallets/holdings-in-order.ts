/**
 * A page of a wallet's holdings in order. Most wallets hold few moments: they are all read, filtered, and sorted. The
 * holdings of large wallets are in `large_wallet_holdings`, where an index has the moments of each edition, locked or not,
 * in each order. A page merges these streams: it reads the first moment of each, and then, of the stream whose first moment
 * is the nth of them, as many moments as can still be on the page. So a page costs one index lookup per edition, however
 * many moments the wallet holds. Without a filter there are only two streams, the locked and the unlocked moments.
 */
import sql, { empty, join, raw, type Sql } from 'sql-template-tag';
import type { OperationInput } from '../../shared/kernel/operation.ts';
import type { operations } from './contract.ts';
import { editionNamed } from './edition-named.ts';

type Query = OperationInput<typeof operations.listHoldings>['query'];

/** The sort orders: the key among all holdings of a wallet, and in `large_wallet_holdings`. Ties are ordered by moment. */
export const orders = {
  '-acquired': { key: 'h.last_event_ts', copiedKey: 'h.last_event_ts', type: 'timestamptz', direction: 'desc' },
  acquired: { key: 'h.last_event_ts', copiedKey: 'h.last_event_ts', type: 'timestamptz', direction: 'asc' },
  serial: {
    key: 'coalesce(m.serial_number, 2147483647)',
    copiedKey: 'h.serial_number',
    type: 'integer',
    direction: 'asc',
  },
  // the same for all moments of a stream
  '-floor': { key: 'coalesce(price.floor_usd, -1)', copiedKey: 'stream.floor', type: 'numeric', direction: 'desc' },
  moment: { key: 'h.nft_id', copiedKey: 'h.nft_id', type: 'bigint', direction: 'asc' },
} as const;

export interface HoldingsPage {
  wallet: Buffer;
  filters: Pick<Query, 'locked' | 'tier' | 'team' | 'edition'>;
  sort: Query['sort'];
  /** The sort key and the moment that the page comes after. */
  after: { key: string; nftId: string } | undefined;
  size: number;
}

/** The rows `key`, `nft_id` of a page, from all of the wallet's holdings. */
export function holdingsOfSmallWallet({ wallet, filters, sort, after, size }: HoldingsPage): Sql {
  const { key, type, direction } = orders[sort];
  const { locked } = filters;
  const conditions = [
    sql`true`,
    ...(locked === undefined ? [] : [sql`h.is_locked = ${locked === 'true'}`]),
    ...editionConditions(filters),
    ...(after
      ? [sql`(${raw(key)}, h.nft_id) ${comparison(direction)} (${after.key}::${raw(type)}, ${after.nftId}::bigint)`]
      : []),
  ];
  // materialized, or a sort by moment may walk all holdings of all wallets
  return sql`
    with held as materialized (select * from wallets.wallet_holdings where wallet_address = ${wallet})
    select ${raw(key)} as key, h.nft_id
    from held h
      left join wallets.nft_core_metadata m on m.nft_id = h.nft_id
      left join wallets.editions e on e.id = m.edition_id
      left join wallets.edition_prices_snapshot price on price.edition_id = e.id
    where ${join(conditions, ' and ')}
    order by ${raw(key)} ${raw(direction)}, h.nft_id ${raw(direction)} limit ${size}`;
}

/** The rows `key`, `nft_id` of a page of a large wallet. */
export function holdingsOfLargeWallet(page: HoldingsPage): Sql {
  const { size, sort } = page;
  const order = raw(`key ${orders[sort].direction}, nft_id ${orders[sort].direction}`);
  return sql`
    with streams as (${streams(page)}),
      firsts as (${firstOfEach(page)}),
      heads as (select *, row_number() over (order by ${order}) as n from firsts order by n limit ${size})
    select row.key, row.nft_id
    from heads as stream, lateral (${rowsOfStream(page, sql`${size + 1} - stream.n`)}) as row
    order by ${order} limit ${size}`;
}

/** Each stream with its first moment. By floor price, the streams of lower prices than the page's are left out. */
function firstOfEach(page: HoldingsPage): Sql {
  const first = sql`lateral (${rowsOfStream(page, sql`1`)}) as first`;
  if (page.sort !== '-floor') return sql`select stream.*, first.* from streams as stream, ${first}`;
  return sql`
    select stream.*, first.* from (select * from streams order by floor desc) as stream, ${first}
    order by stream.floor desc fetch first ${page.size} rows with ties`;
}

/** The streams of a page, each with what all of its moments have in common. */
function streams({ filters, sort, after }: HoldingsPage): Sql {
  const { locked } = filters;
  const locks =
    locked === undefined
      ? sql`(values (true), (false)) as lock (is_locked)`
      : sql`(select ${locked === 'true'}::boolean as is_locked) as lock`;
  if (!isByEdition({ filters, sort })) return sql`select is_locked from ${locks}`;
  const conditions = editionConditions(filters);
  const reachable = sort === '-floor' && after ? sql`where floor <= ${after.key}::numeric` : empty;
  return sql`
    select edition_id, floor, is_locked
    from (
      select e.id as edition_id, coalesce(price.floor_usd, -1) as floor
      from wallets.editions e left join wallets.edition_prices_snapshot price on price.edition_id = e.id
      ${conditions.length === 0 ? sql`union all select 0, -1` : sql`where ${join(conditions, ' and ')}`}
    ) as edition, ${locks} ${reachable}`;
}

/** The first moments of `stream` after the page's position. */
function rowsOfStream({ wallet, filters, sort, after }: HoldingsPage, limit: Sql): Sql {
  const { copiedKey, type, direction } = orders[sort];
  const conditions = [
    sql`h.wallet_address = ${wallet}`,
    ...(isByEdition({ filters, sort }) ? [sql`h.edition_id = stream.edition_id`] : []),
    sql`h.is_locked = stream.is_locked`,
  ];
  if (after && sort === '-floor')
    conditions.push(
      sql`h.nft_id <= case when stream.floor = ${after.key}::numeric then ${after.nftId}::bigint - 1 else 9223372036854775807 end`,
    );
  else if (after)
    conditions.push(
      sql`(${raw(copiedKey)}, h.nft_id) ${comparison(direction)} (${after.key}::${raw(type)}, ${after.nftId}::bigint)`,
    );
  const inStream = sort === '-floor' ? 'h.nft_id' : `${copiedKey} ${direction}, h.nft_id`;
  return sql`
    select ${raw(copiedKey)} as key, h.nft_id from wallets.large_wallet_holdings h
    where ${join(conditions, ' and ')} order by ${raw(inStream)} ${raw(direction)} limit ${limit}`;
}

/** Whether the streams are of one edition each. */
function isByEdition({ filters: { tier, team, edition }, sort }: Pick<HoldingsPage, 'filters' | 'sort'>): boolean {
  return sort === '-floor' || tier !== undefined || team !== undefined || edition !== undefined;
}

function editionConditions({ tier, team, edition }: HoldingsPage['filters']): Sql[] {
  return [
    ...(tier === undefined ? [] : [sql`e.tier = ${tier}`]),
    ...(team === undefined ? [] : [sql`e.team_name = ${team}`]),
    ...(edition === undefined ? [] : [editionNamed(edition)]),
  ];
}

const comparison = (direction: 'asc' | 'desc') => raw(direction === 'asc' ? '>' : '<');
