import sql from 'sql-template-tag';
import { read } from '../../shared/http/endpoint.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { operations } from './contract.ts';
import { pastInstant } from './past-instant.ts';
import { archivedPrices, portfoliosAt } from './value-portfolios.ts';

const walletNamed = (wallet: string) => sql`select id from portfolio.wallets where address = ${toBytes(wallet)}`;
const instantOf = ({ query }: { query: { at?: string | undefined } }) => pastInstant(query.at, 'query.at');

/**
 * What a wallet holds and what it is worth, now or at a past instant, most valuable holdings first. Amounts and values are
 * decimal strings, values in USD.
 *
 * At most 1,000 holdings are listed; all are counted and valued. A token without a price of the three days before the
 * instant is unpriced: it has no value, and is counted apart. A change of a balance, a price, or a token shows at once.
 *
 * @throws NotFound      nothing is known about the wallet
 * @throws InvalidInput  `at` is in the future, or before 2009-01-03
 */
export const getPortfolio = read(operations.getPortfolio, {
  archived: (input) => [archivedPrices(walletNamed(input.path.wallet), instantOf(input))],
  statement: (input, archived) => {
    const at = instantOf(input);
    const isPast = input.query.at !== undefined;
    const wallets = walletNamed(input.path.wallet);
    return sql`
      select body::text, as_of from (${portfoliosAt({ wallets, at, isPast, maxHoldings: 1_000, archived })}) as p`;
  },
});
