/** A client for DefiLlama's prices. Responses are validated. */
import * as z from 'zod';
import { type Connection, connectUpstream } from '../../../shared/upstream/client.ts';
import { defillama } from '../../upstreams/defillama.ts';
import { byName, jsonPrice, type PricedToken, parseAnswer, type Quotes, unixSeconds } from './quotes.ts';

export interface DefiLlama {
  /** Quotes of tokens, at most 100, by chain and contract, or by CoinGecko's id. */
  getQuotes(tokens: readonly PricedToken[]): Promise<Quotes>;
}

/** More would make a longer URL than servers take. */
export const defillamaPageSize = 100;

export const coin = z.object({
  price: jsonPrice,
  timestamp: unixSeconds,
  confidence: z.number().nullish(),
});

const envelope = z.object({ coins: z.record(z.string(), z.unknown()) });
const coinsOf = ({ coins }: z.output<typeof envelope>) => Object.entries(coins);

/** The DefiLlama client of this container. */
export function getDefiLlama(): Promise<DefiLlama> {
  return connectUpstream(defillama, createDefiLlama);
}

/** Creates a DefiLlama client. */
export function createDefiLlama({ baseUrl, request, expect }: Connection<typeof defillama>): DefiLlama {
  return {
    async getQuotes(tokens) {
      const named = byName(tokens, nameOf);
      if (named.size === 0) return { quotes: [], malformed: [] };
      const operation = 'prices/current';
      const url = `${baseUrl}/${operation}/${[...named.keys()].map(encodeURIComponent).join(',')}`;
      const shape = { operation, envelope, entriesOf: coinsOf, entry: coin };
      const { entries, malformed } = parseAnswer(expect, shape, await request({ operation, url }));
      const quotes = entries.flatMap(([name, { price, timestamp, confidence = null }]) =>
        (named.get(name.toLowerCase()) ?? []).map((tokenId) => ({
          tokenId,
          source: 'defillama' as const,
          priceUsd: price,
          quotedAt: timestamp,
          confidence,
        })),
      );
      return { quotes, malformed };
    },
  };
}

function nameOf({ chain, address, coingeckoId }: PricedToken): string | null {
  if (chain !== null && address !== null) return `${chain}:${address}`;
  return coingeckoId === null ? null : `coingecko:${coingeckoId}`;
}
