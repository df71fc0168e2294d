/**
 * Portfolios at size: 10 million balance changes of 10,000 wallets with 50 tokens each, a year of daily prices. The limit of
 * each read is a bare lookup of the same rows, timed in turn with it: for balances, the lateral lookups without prices,
 * names, or JSON.
 */
import type pg from 'pg';
import sql, { type Sql } from 'sql-template-tag';
import { getPortfolio } from '../functions/portfolio/get-portfolio.ts';
import { getPortfolios } from '../functions/portfolio/get-portfolios.ts';
import { getTokenPrice } from '../functions/portfolio/get-token-price.ts';
import { listPortfolios } from '../functions/portfolio/list-portfolios.ts';
import type { Endpoint } from '../shared/http/endpoint.ts';
import { spread, startBenchDatabase, timeMs } from './world.ts';

const sizes = { wallets: 10_000, tokens: 500, tokensPerWallet: 50, changesPerPair: 20, priceDays: 365 };
const batch = 200;
const runs = 40;
const address = (n: number) => `0x${n.toString(16).padStart(40, '0')}`;

/** `npm run bench -- portfolio` */
export async function benchPortfolio(): Promise<void> {
  const { client, stop } = await startBenchDatabase();
  const filledMs = await timeMs(() => fill(client));
  const { rows } = await client.query('select count(*)::int as n from portfolio.balance_changes');
  console.log(`${JSON.stringify(sizes)}: ${rows[0].n} balance changes, filled in ${(filledMs / 1_000).toFixed(0)} s`);
  console.log(`ms, warm: median (lowest to highest) of ${runs} runs; in turn with it, the limit; buffers of one run`);
  for (const days of [1, 100, 300]) {
    const at = new Date(Date.now() - days * 86_400_000);
    const next = rotation(batch);
    await measure(
      client,
      `${batch} wallets at ${days} days ago`,
      () => statementOf(getPortfolios, {}, {}, { wallets: next.now().map(address), at: at.toISOString() }),
      () => bareBalances(next.now(), at),
      next.advance,
    );
  }
  const next = rotation(batch);
  await measure(
    client,
    `${batch} wallets now`,
    () => statementOf(getPortfolios, {}, {}, { wallets: next.now().map(address) }),
    () => bareBalances(next.now(), new Date()),
    next.advance,
  );
  const one = rotation(1);
  const portfolioOf = (at?: string) => statementOf(getPortfolio, { wallet: address(one.now()[0]!) }, at ? { at } : {});
  await measure(client, 'one wallet now', () => portfolioOf(), lookup, one.advance);
  const past = new Date(Date.now() - 200 * 86_400_000).toISOString();
  await measure(client, 'one wallet 200 days ago', () => portfolioOf(past), lookup, one.advance);
  for (const query of [{}, { page: 100 }, { minValue: '2000000' }])
    await measure(
      client,
      `list ${JSON.stringify(query)}`,
      () => statementOf(listPortfolios, {}, query),
      lookup,
      () => {},
    );
  await measure(
    client,
    'latest price',
    () => statementOf(getTokenPrice, { id: 't7' }, {}),
    lookup,
    () => {},
  );
  await stop();
}

/** Other wallets in each run, so that no run reads what the one before has read. */
function rotation(size: number) {
  let from = 0;
  return {
    now: () => Array.from({ length: size }, (_, i) => 1 + ((from + i * 47) % sizes.wallets)),
    advance() {
      from += 211;
    },
  };
}

/** Always the same rows, without their triggers: what a wallet holds changes at 20 times of the year. */
async function fill(client: pg.Client): Promise<void> {
  const { wallets, tokens, tokensPerWallet, changesPerPair, priceDays } = sizes;
  await client.query('set session_replication_role = replica');
  for (const statement of [
    `insert into portfolio.tokens (symbol, name) select 'T' || i, 'Token ' || i from generate_series(1, ${tokens}) as i`,
    `insert into portfolio.wallets (address) select decode(lpad(to_hex(i), 40, '0'), 'hex') from generate_series(1, ${wallets}) as i`,
    // one change after another, as they happen, so that the changes of a pair are far from each other
    `insert into portfolio.balance_changes (wallet_id, token_id, as_of, balance)
     select w, 1 + (w * 7 + t * 11) % ${tokens}, date_trunc('day', now()) - interval '400 days'
         + (c * ${Math.floor(400 / changesPerPair)} + (w + t) % 17) * interval '1 day' + w * interval '1 second',
       (1 + (w * 31 + t * 17 + c * 13) % 100000) / 100.0
     from generate_series(0, ${changesPerPair - 1}) as c, generate_series(1, ${wallets}) as w, generate_series(1, ${tokensPerWallet}) as t`,
    `insert into portfolio.token_balances (wallet_id, token_id, balance, as_of, since)
     select distinct on (wallet_id, token_id) wallet_id, token_id, balance, as_of, min(as_of) over (partition by wallet_id, token_id)
     from portfolio.balance_changes order by wallet_id, token_id, as_of desc`,
    `insert into portfolio.price_snapshots_late (token_id, recorded_at, price_usd, source)
     select t, date_trunc('day', now()) - d * interval '1 day', (1 + (t * 7 + d) % 1000) / 10.0, 'import'
     from generate_series(1, ${tokens}) as t, generate_series(0, ${priceDays}) as d`,
    `insert into portfolio.latest_prices (token_id, recorded_at, price_usd, source, first_recorded_at)
     select t, date_trunc('day', now()), (1 + (t * 7) % 1000) / 10.0, 'import', now() - interval '1 year' from generate_series(1, ${tokens}) as t`,
  ])
    await client.query(statement);
  await client.query('set session_replication_role = origin');
  await client.query('vacuum analyze');
}

interface Statement {
  text: string;
  values: unknown[];
}

function statementOf(endpoint: Endpoint, path: object, query: object, body?: object): Statement {
  const { pathParameters, query: parameters, body: shape } = endpoint.operation;
  const input = { path: pathParameters.parse(path), query: parameters.parse(query), body: shape?.parse(body) };
  const { text, values } = endpoint.statement!(input as never);
  return { text, values };
}

function bareBalances(wallets: readonly number[], at: Date): Sql {
  return sql`
    select sum(c.balance) from portfolio.token_balances b cross join lateral (
      select balance from portfolio.balance_changes c
      where c.wallet_id = b.wallet_id and c.token_id = b.token_id and c.as_of <= ${at}
      order by c.as_of desc limit 1) as c
    where b.wallet_id = any(${wallets}::integer[])`;
}

const lookup = () => sql`select price_usd from portfolio.latest_prices where token_id = ${7}`;

async function measure(
  client: pg.Client,
  label: string,
  statement: () => Statement,
  limit: () => Sql,
  advance: () => void,
): Promise<void> {
  const [times, limits]: [number[], number[]] = [[], []];
  for (let run = -3; run < runs; run++) {
    const limitMs = await timeMs(() => client.query(limit()));
    const ms = await timeMs(() => client.query(statement()));
    if (run >= 0) {
      times.push(ms);
      limits.push(limitMs);
    }
    advance();
  }
  const { text, values } = statement();
  const { rows } = await client.query(`explain (analyze, buffers, timing off, format json) ${text}`, values);
  const [{ Plan: plan, 'Planning Time': planningMs }] = rows[0]['QUERY PLAN'];
  const buffers = plan['Shared Hit Blocks'] + plan['Shared Read Blocks'];
  console.log(
    `  ${label.padEnd(32)} ${spread(times, 1).padStart(24)}   limit ${spread(limits, 1).padStart(22)}   ${buffers} buffers, planned in ${planningMs.toFixed(1)} ms`,
  );
}
