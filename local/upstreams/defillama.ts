/** A stand-in for DefiLlama: prices by chain and contract, or by CoinGecko's id. */
import type { Market } from './market.ts';
import { lastMinuteMs, type PriceStandIn, startPriceStandIn } from './price-stand-in.ts';
import type { StandIn } from './stand-in.ts';

export const standIn = { start: () => startDefiLlama() } satisfies StandIn<PriceStandIn>;

const path = '/prices/current/';

/** Starts the stand-in. Its fault `garbage` is a body without `coins`. */
export function startDefiLlama(market?: Market): Promise<PriceStandIn> {
  return startPriceStandIn(
    {
      secret: {},
      garbage: [200, { message: 'Internal server error' }],
      async answer(_, { pathname }, entryOf, { find, priceAt }) {
        if (!pathname.startsWith(path)) return [404, { message: 'Not Found' }];
        const names = decodeURIComponent(pathname.slice(path.length)).split(',');
        const timeMs = lastMinuteMs();
        const coins = names.flatMap((name) => {
          const [chain = '', address = ''] = name.split(':');
          const isById = chain === 'coingecko';
          const asset = find(isById ? { coingeckoId: address } : { chain, address });
          if (!asset) return [];
          const entry = entryOf(name, {
            ...(isById ? {} : { decimals: asset.decimals }),
            symbol: asset.symbol,
            price: priceAt(asset, timeMs),
            timestamp: timeMs / 1_000,
            confidence: 0.99,
          });
          return entry ? [[name, entry] as const] : [];
        });
        return [200, { coins: Object.fromEntries(coins) }];
      },
    },
    market,
  );
}
