/** A client for Alchemy's Prices API. Responses are validated. */
import * as z from 'zod';
import { address } from '../../../shared/kernel/address.ts';
import { type Connection, connectUpstream } from '../../../shared/upstream/client.ts';
import { alchemyprices } from '../../upstreams/alchemyprices.ts';
import { byName, type PricedToken, parseAnswer, type Quotes } from './quotes.ts';

export interface AlchemyPrices {
  /** Quotes of tokens on Ethereum and Base, at most 25. Others are left out. */
  getQuotes(tokens: readonly PricedToken[]): Promise<Quotes>;
}

export const alchemyPageSize = 25;

const networks: Readonly<Record<string, string>> = { ethereum: 'eth-mainnet', base: 'base-mainnet' };

/** Whether Alchemy can be asked for the token. */
export function isOnAlchemy({ chain, address: contract }: PricedToken): boolean {
  return contract !== null && chain !== null && chain in networks;
}

const envelope = z.object({ data: z.array(z.looseObject({ network: z.string(), address })) });
const tokensOf = ({ data }: z.output<typeof envelope>) =>
  data.map((one) => [`${one.network}:${one.address}`, one] as const);

export const tokenPrices = z.object({
  prices: z.array(
    z.object({
      currency: z.string(),
      value: z.string().regex(/^\d{1,60}(\.\d{1,100})?$/),
      lastUpdatedAt: z.iso.datetime({ offset: true }).transform((text) => new Date(text)),
    }),
  ),
});

/** The Alchemy Prices client of this container. */
export function getAlchemyPrices(): Promise<AlchemyPrices> {
  return connectUpstream(alchemyprices, createAlchemyPrices);
}

/** Creates an Alchemy Prices client. */
export function createAlchemyPrices(connection: Connection<typeof alchemyprices>): AlchemyPrices {
  const { baseUrl, credentials, request, expect } = connection;
  return {
    async getQuotes(tokens) {
      const named = byName(tokens.filter(isOnAlchemy), (token) => `${networks[token.chain!]}:${token.address}`);
      if (named.size === 0) return { quotes: [], malformed: [] };
      const operation = 'tokens/by-address';
      const addresses = [...named.keys()].map((name) => {
        const [network, contract] = name.split(':');
        return { network, address: contract };
      });
      const url = `${baseUrl}/prices/v1/${(await credentials()).apiKey}/${operation}`;
      const response = await request({ operation, url, body: { addresses } });
      const shape = { operation, envelope, entriesOf: tokensOf, entry: tokenPrices };
      const { entries, malformed } = parseAnswer(expect, shape, response);
      const quotes = entries.flatMap(([name, { prices }]) => {
        const usd = prices.find(({ currency }) => currency.toLowerCase() === 'usd');
        if (!usd) return [];
        const { value: priceUsd, lastUpdatedAt: quotedAt } = usd;
        return (named.get(name) ?? []).map((tokenId) => ({
          tokenId,
          source: 'alchemy' as const,
          priceUsd,
          quotedAt,
          confidence: null,
        }));
      });
      return { quotes, malformed };
    },
  };
}
