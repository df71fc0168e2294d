/** The portfolio domain under test, with stand-ins for all sources of prices. */
import { afterAll, afterEach } from 'vitest';
import { alchemyprices } from '../../functions/upstreams/alchemyprices.ts';
import { coingecko } from '../../functions/upstreams/coingecko.ts';
import { startAlchemyPrices } from '../../local/upstreams/alchemyprices.ts';
import { startCoinGecko } from '../../local/upstreams/coingecko.ts';
import { startDefiLlama } from '../../local/upstreams/defillama.ts';
import type { Market } from '../../local/upstreams/market.ts';
import { createPortfolio } from './portfolio.ts';

/** Starts the stand-ins. `environment` says where they are. Faults last until the end of a test. */
export async function startPriceSources(market?: Market) {
  const sources = {
    defillama: await startDefiLlama(market),
    coingecko: await startCoinGecko('coingecko-apiKey', market),
    alchemyprices: await startAlchemyPrices('alchemyprices-apiKey', market),
  };
  // the real budgets would slow the tests down
  for (const upstream of [coingecko, alchemyprices]) upstream.requestsPerSecond = 1_000;
  afterEach(() => {
    for (const source of Object.values(sources)) {
      source.faults.set(undefined);
      source.change = undefined;
      source.requests.length = 0;
    }
  });
  afterAll(() => Promise.all(Object.values(sources).map((source) => source.stop())));
  const environment = Object.fromEntries(
    Object.entries(sources).map(([name, { url }]) => [`UPSTREAM_${name.toUpperCase()}_URL`, url]),
  );
  return { ...sources, environment };
}

/** Starts the stand-ins, and the domain that calls them. */
export async function createPriceSources(market?: Market) {
  const { environment, ...sources } = await startPriceSources(market);
  return { ...(await createPortfolio(environment)), ...sources };
}
