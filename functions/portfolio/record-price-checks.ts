import sql from 'sql-template-tag';
import type { Changed } from '../../shared/db/changed.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { maxDeviation } from './believed-prices.ts';
import type { Quote } from './sources/quotes.ts';

/** Two sources' prices of one token, the one that was recorded first. */
export type PriceCheck = readonly [recorded: Quote, other: Quote];

const stagedChecks = new TemporaryTable('staged_checks', {
  token_id: 'integer',
  source: 'text',
  price_usd: 'numeric',
  other_source: 'text',
  other_price_usd: 'numeric',
});

/**
 * Records comparisons of sources. A token whose sources disagree by more than 5 % is marked as disputed, until a later
 * comparison finds that they agree. Of several comparisons of a token, the worst counts.
 */
export async function recordPriceChecks(tx: Transaction, checks: readonly PriceCheck[]): Promise<Changed> {
  if (checks.length === 0) return { applied: 0, unchanged: 0 };
  await stagedChecks.fill(tx, checks, ([recorded, other]) => ({
    token_id: recorded.tokenId,
    source: recorded.source,
    price_usd: recorded.priceUsd,
    other_source: other.source,
    other_price_usd: other.priceUsd,
  }));
  const worst = sql`
    select distinct on (token_id) token_id, source, price_usd, other_source, other_price_usd,
      greatest(price_usd, other_price_usd) / least(price_usd, other_price_usd) - 1 as deviation
    from ${stagedChecks} order by token_id, deviation desc, other_source`;
  const { rowCount } = await tx.query(sql`
    insert into portfolio.price_checks (token_id, checked_at, source, price_usd, other_source, other_price_usd, deviation)
    select token_id, now(), source, price_usd, other_source, other_price_usd, deviation from (${worst}) as w
    on conflict (token_id) do update set checked_at = excluded.checked_at, source = excluded.source,
      price_usd = excluded.price_usd, other_source = excluded.other_source,
      other_price_usd = excluded.other_price_usd, deviation = excluded.deviation`);
  await tx.query(sql`
    insert into portfolio.price_disputes (token_id, since, source, price_usd, other_source, other_price_usd)
    select w.token_id, now(), w.source, w.price_usd, w.other_source, w.other_price_usd
    from (${worst}) as w join portfolio.tokens t on t.id = w.token_id
    where w.deviation > ${maxDeviation} and t.disputed_since is null order by 1`);
  await tx.query(sql`
    update portfolio.price_disputes d set until = now()
    from (${worst}) as w where w.token_id = d.token_id and d.until is null and w.deviation <= ${maxDeviation}`);
  await tx.query(sql`
    update portfolio.tokens t set disputed_since = case when w.deviation > ${maxDeviation} then now() end
    from (${worst}) as w
    where w.token_id = t.id and (t.disputed_since is null) = (w.deviation > ${maxDeviation})`);
  return { applied: rowCount ?? 0, unchanged: 0 };
}
