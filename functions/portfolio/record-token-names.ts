import sql from 'sql-template-tag';
import type { Changed } from '../../shared/db/changed.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import type { TokenReference } from './record-tokens.ts';

/** What is said about a token. Null: nothing. */
export interface TokenName extends TokenReference {
  name: string | null;
  decimals: number | null;
  coingeckoId: string | null;
}

const stagedNames = new TemporaryTable('staged_token_names', {
  chain: 'text',
  address: 'bytea',
  symbol: 'text',
  name: 'text',
  decimals: 'smallint',
  coingecko_id: 'text',
});

/** Names tokens, and creates missing ones. What is not said about a token stays. */
export async function recordTokenNames(tx: Transaction, names: readonly TokenName[]): Promise<Changed> {
  await stagedNames.fill(tx, names, (one) => ({
    chain: one.chain,
    address: one.address,
    symbol: one.symbol,
    name: one.name,
    decimals: one.decimals,
    coingecko_id: one.coingeckoId,
  }));
  const { rowCount } = await tx.query(sql`
    insert into portfolio.tokens as t (chain, address, symbol, name, decimals, coingecko_id)
    select n.chain, n.address, coalesce(n.symbol, e.symbol), coalesce(n.name, e.name), coalesce(n.decimals, e.decimals),
      coalesce(n.coingecko_id, e.coingecko_id)
    from (
        select distinct on (key) * from (
          select *, portfolio.token_key(chain, address, symbol) as key from ${stagedNames}) as s
        order by key, position desc
      ) as n left join portfolio.tokens e on e.key = n.key
    where e.id is null
      or (coalesce(n.symbol, e.symbol), coalesce(n.name, e.name), coalesce(n.decimals, e.decimals), coalesce(n.coingecko_id, e.coingecko_id))
        is distinct from (e.symbol, e.name, e.decimals, e.coingecko_id)
    order by n.key
    on conflict (key) do update set symbol = excluded.symbol, name = excluded.name, decimals = excluded.decimals,
      coingecko_id = excluded.coingecko_id`);
  const applied = rowCount ?? 0;
  return { applied, unchanged: names.length - applied };
}
