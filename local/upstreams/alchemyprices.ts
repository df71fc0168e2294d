/** A stand-in for Alchemy's Prices API: prices by network and contract. */
import { randomBytes } from 'node:crypto';
import { readJson } from './faults.ts';
import type { Market } from './market.ts';
import { type Entry, lastMinuteMs, type PriceStandIn, startPriceStandIn } from './price-stand-in.ts';
import type { StandIn } from './stand-in.ts';

export const standIn = {
  start: () => startAlchemyPrices(randomBytes(12).toString('hex')),
} satisfies StandIn<PriceStandIn>;

const chains: Readonly<Record<string, string>> = { 'eth-mainnet': 'ethereum', 'base-mainnet': 'base' };
const maxAddresses = 25;
/** How far Alchemy's prices are from DefiLlama's. */
const spread = 0.999;

/** Starts the stand-in. Its fault `garbage` is a body without `data`. */
export function startAlchemyPrices(apiKey: string, market?: Market): Promise<PriceStandIn> {
  return startPriceStandIn(
    {
      secret: { apiKey },
      garbage: [200, {}],
      async answer(request, { pathname }, entryOf, { find, priceAt }) {
        const [, , , key, ...rest] = pathname.split('/');
        if (key !== apiKey) return [401, { error: { message: 'Must be authenticated!' } }];
        if (rest.join('/') !== 'tokens/by-address') return [404, { error: { message: 'Not found' } }];
        const { addresses } = (await readJson(request)) as { addresses: { network: string; address: string }[] };
        if (addresses.length > maxAddresses) return [400, { error: { message: 'Too many addresses.' } }];
        const timeMs = lastMinuteMs();
        const data = addresses.flatMap(({ network, address }): Entry[] => {
          const asset = find({ chain: chains[network] ?? '', address });
          if (!asset) return [{ network, address, prices: [], error: { message: 'Token not found' } }];
          const value = (priceAt(asset, timeMs) * spread).toFixed(10);
          const prices = [{ currency: 'usd', value, lastUpdatedAt: new Date(timeMs).toISOString() }];
          const entry = entryOf(`${network}:${address}`, { network, address, prices, error: null });
          return entry ? [entry] : [];
        });
        return [200, { data }];
      },
    },
    market,
  );
}
