import sql from 'sql-template-tag';
import { commit } from '../../shared/changes/commit.ts';
import { query } from '../../shared/db/read.ts';
import { addProgress } from '../../shared/jobs/job.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { count } from '../../shared/observability/metrics.ts';
import { type Answers, askPriceSources, type CheckedToken } from './ask-price-sources.ts';
import { jobs } from './jobs.ts';
import { recordPriceChecks } from './record-price-checks.ts';
import { recordPrices } from './record-prices.ts';

interface StoredToken extends CheckedToken {
  key: string;
  symbol: string | null;
}

/**
 * Records the prices of all tokens that a source can name: by their contract, or by CoinGecko's id.
 *
 * Of a token without a believed price, the last one stays, with its age. The result says how many tokens each source
 * priced, and which source failed.
 *
 * @throws what the first source threw, if all that were asked failed
 * @source DefiLlama prices/current, CoinGecko simple/price and simple/token_price, Alchemy tokens/by-address
 */
export const syncPrices = handleJob(jobs.syncPrices, async ({ step, ...run }) => {
  const tokens = await nameableTokens();
  await step('prices', tokens.length);
  const answers = await askPriceSources(tokens, Date.now());
  reportFailures(answers);
  const byId = new Map(tokens.map((one) => [one.id, one]));
  const prices = [...answers.prices.values()].map(({ tokenId, quotedAt, priceUsd, source }) => ({
    token: referenceOf(byId.get(tokenId)!),
    recordedAt: quotedAt,
    priceUsd,
    openUsd: null,
    highUsd: null,
    lowUsd: null,
    volumeUsd: null,
    marketCapUsd: null,
    source,
  }));
  await commit(async (tx) => {
    const changed = await recordPrices(tx, prices);
    await recordPriceChecks(tx, answers.checks);
    await addProgress(tx, run, { read: prices.length, rejected: answers.malformed.length, ...changed });
  });
  return { result: resultOf(tokens, answers) };
});

async function nameableTokens(): Promise<StoredToken[]> {
  return query<StoredToken>(
    sql`select t.id, t.key, t.chain, '0x' || encode(t.address, 'hex') as address, t.symbol,
          t.coingecko_id as "coingeckoId", t.disputed_since is not null as "isDisputed", c.checked_at as "checkedAt"
        from portfolio.tokens t left join portfolio.price_checks c on c.token_id = t.id
        where t.address is not null or t.coingecko_id is not null
        order by t.id`,
    'sync',
  );
}

const referenceOf = ({ chain, address, symbol }: StoredToken) => ({
  chain,
  address: address === null ? null : toBytes(address),
  symbol,
});

function reportFailures({ failures, asked }: Answers): void {
  const failed = Object.keys(failures);
  for (const source of failed) count('PriceSourceFailed', 'Count', 1, { source });
  if (failed.length > 0 && failed.length === asked.size) throw failures[failed[0]!]!;
}

function resultOf(tokens: readonly StoredToken[], { prices, checks, malformed, failures }: Answers) {
  const priced = Object.groupBy([...prices.values()], ({ source }) => source);
  return {
    tokens: tokens.length,
    priced: Object.fromEntries(Object.entries(priced).map(([source, quotes]) => [source, quotes.length])),
    unpriced: tokens.length - prices.size,
    compared: checks.length,
    malformed: malformed.slice(0, 20),
    failures: Object.fromEntries(Object.entries(failures).map(([source, { message }]) => [source, message])),
  };
}
