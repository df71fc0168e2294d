import sql from 'sql-template-tag';
import { readUncached } from '../../shared/http/endpoint.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import type { OperationInput } from '../../shared/kernel/operation.ts';
import { operations } from './contract.ts';
import { pastInstant } from './past-instant.ts';
import { archivedPrices, portfoliosAt } from './value-portfolios.ts';

type Input = OperationInput<typeof operations.getPortfolios>;

/**
 * What up to 200 wallets hold and what they are worth, now or at a past instant, in the order of the request. Amounts and
 * values are decimal strings, values in USD.
 *
 * One statement for all; at most 100 holdings of each wallet are listed, all are counted and valued. Wallets that nothing
 * is known about are named apart. Not cached: read from a replica within the lag that reads allow.
 *
 * @throws InvalidInput  `at` is in the future, or before 2009-01-03
 */
export const getPortfolios = readUncached(operations.getPortfolios, {
  archived: (input) => [archivedPrices(namedWallets(input), instantOf(input))],
  statement: (input, archived) => {
    const at = instantOf(input);
    const isPast = input.body.at !== undefined;
    const portfolios = portfoliosAt({ wallets: namedWallets(input), at, isPast, maxHoldings: 100, archived });
    return sql`
      select jsonb_build_object(
          'at', ${isPast ? at.toISOString() : null}::text,
          'portfolios', coalesce(jsonb_agg(p.body order by g.n) filter (where p.id is not null), '[]'),
          'unknown', coalesce(jsonb_agg(portfolio.wallet_name(g.address) order by g.n) filter (where p.id is null), '[]')
        )::text as body, min(p.as_of) as as_of
      from (select address, min(n) as n from unnest(${addressesOf(input)}::bytea[]) with ordinality as u (address, n) group by 1) as g
        left join portfolio.wallets w on w.address = g.address
        left join (${portfolios}) as p on p.id = w.id`;
  },
});

function addressesOf({ body }: Input): Buffer[] {
  return body.wallets.map(toBytes);
}

function namedWallets(input: Input) {
  return sql`select id from portfolio.wallets where address = any(${addressesOf(input)}::bytea[])`;
}

function instantOf({ body }: Input): Date {
  return pastInstant(body.at, 'body.at');
}
