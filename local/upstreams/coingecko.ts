/** A stand-in for CoinGecko's demo plan: simple prices by its own ids, and by contract. */
import { randomBytes } from 'node:crypto';
import type { Asset, Market } from './market.ts';
import { lastMinuteMs, type PriceStandIn, startPriceStandIn } from './price-stand-in.ts';
import type { StandIn } from './stand-in.ts';

export const standIn = {
  start: () => startCoinGecko(randomBytes(12).toString('hex')),
} satisfies StandIn<PriceStandIn>;

/** How far CoinGecko's prices are from DefiLlama's. */
const spread = 1.001;

/** Starts the stand-in. Its fault `garbage` is the body of an exceeded limit, with status 200. */
export function startCoinGecko(apiKey: string, market?: Market): Promise<PriceStandIn> {
  return startPriceStandIn(
    {
      secret: { apiKey },
      garbage: [200, problem(429, 'You have exceeded the rate limit.')],
      async answer({ headers }, { pathname, searchParams }, entryOf, { find, priceAt }) {
        if (headers['x-cg-demo-api-key'] !== apiKey) return [401, problem(10_002, 'Api Key Missing')];
        const isById = pathname === '/api/v3/simple/price';
        const chain = /^\/api\/v3\/simple\/token_price\/([a-z-]+)$/.exec(pathname)?.[1];
        if (!isById && chain === undefined) return [404, { error: 'Incorrect path.' }];
        const names = searchParams.get(isById ? 'ids' : 'contract_addresses');
        if (names === null || searchParams.get('vs_currencies') === null)
          return [422, { error: 'Missing parameter vs_currencies' }];
        const timeMs = lastMinuteMs() - 60_000;
        const priced = names.split(',').flatMap((name) => {
          const asset = find(isById ? { coingeckoId: name } : { chain: chain!, address: name });
          const entry = asset && entryOf(name, entryAt(asset, timeMs));
          return entry ? [[name, entry] as const] : [];
        });
        return [200, Object.fromEntries(priced)];

        function entryAt(asset: Asset, ms: number) {
          const usd = Number((priceAt(asset, ms) * spread).toPrecision(10));
          return { usd, ...(searchParams.has('include_last_updated_at') ? { last_updated_at: ms / 1_000 } : {}) };
        }
      },
    },
    market,
  );
}

const problem = (error_code: number, error_message: string) => ({ status: { error_code, error_message } });
