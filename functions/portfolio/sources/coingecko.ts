/** A client for CoinGecko's simple prices. Responses are validated. */
import * as z from 'zod';
import { RateLimited, Upstream } from '../../../shared/kernel/errors.ts';
import { type Connection, connectUpstream } from '../../../shared/upstream/client.ts';
import { coingecko } from '../../upstreams/coingecko.ts';
import { byName, jsonPrice, type PricedToken, parseAnswer, type Quotes, unixSeconds } from './quotes.ts';

/** What one request names tokens by: CoinGecko's ids, or contracts on one chain. */
export type CoinGeckoGroup = 'ids' | 'ethereum' | 'base';

export interface CoinGecko {
  /** Quotes of tokens of one group, at most 100. */
  getQuotes(group: CoinGeckoGroup, tokens: readonly PricedToken[]): Promise<Quotes>;
}

export const coingeckoPageSize = 100;

/** The group of a token; undefined if CoinGecko cannot name it. */
export function coingeckoGroupOf({ chain, address, coingeckoId }: PricedToken): CoinGeckoGroup | undefined {
  if (coingeckoId !== null) return 'ids';
  return address !== null && (chain === 'ethereum' || chain === 'base') ? chain : undefined;
}

export const simplePrice = z.object({ usd: jsonPrice, last_updated_at: unixSeconds });

const envelope = z.record(z.string(), z.unknown());
/** An inactive coin is an entry without any field. */
const pricesOf = (found: z.output<typeof envelope>) => Object.entries(found).filter(([, one]) => !isEmpty(one));

const problem = z.object({ status: z.object({ error_code: z.number(), error_message: z.string().nullish() }) });
const waitSeconds = 60;

/** The CoinGecko client of this container. */
export function getCoinGecko(): Promise<CoinGecko> {
  return connectUpstream(coingecko, createCoinGecko);
}

/** Creates a CoinGecko client. */
export function createCoinGecko({ baseUrl, credentials, request, expect }: Connection<typeof coingecko>): CoinGecko {
  return {
    async getQuotes(group, tokens) {
      const named = byName(tokens, (token) => (group === 'ids' ? token.coingeckoId : token.address));
      if (named.size === 0) return { quotes: [], malformed: [] };
      const operation = group === 'ids' ? 'simple/price' : 'simple/token_price';
      const path = group === 'ids' ? operation : `${operation}/${group}`;
      const query = new URLSearchParams({
        [group === 'ids' ? 'ids' : 'contract_addresses']: [...named.keys()].join(','),
        vs_currencies: 'usd',
        include_last_updated_at: 'true',
        precision: 'full',
      });
      const headers = { 'x-cg-demo-api-key': (await credentials()).apiKey };
      const response = await request({ operation, url: `${baseUrl}/api/v3/${path}?${query}`, headers });
      assertNoProblem(operation, response);
      const shape = { operation, envelope, entriesOf: pricesOf, entry: simplePrice };
      const { entries, malformed } = parseAnswer(expect, shape, response);
      const quotes = entries.flatMap(([name, { usd, last_updated_at }]) =>
        (named.get(name.toLowerCase()) ?? []).map((tokenId) => ({
          tokenId,
          source: 'coingecko' as const,
          priceUsd: usd,
          quotedAt: last_updated_at,
          confidence: null,
        })),
      );
      return { quotes, malformed };
    },
  };
}

/** An exceeded limit has been seen to come with status 200. @throws RateLimited, Upstream  the body is a problem */
function assertNoProblem(operation: string, response: unknown): void {
  const failed = problem.safeParse(response);
  if (!failed.success) return;
  const { error_code, error_message } = failed.data.status;
  if (error_code === 429) throw new RateLimited(`coingecko ${operation}: too many requests.`, 'upstream', waitSeconds);
  throw new Upstream(`coingecko ${operation}: failed with ${error_code}: ${error_message ?? 'no reason'}`);
}

const isEmpty = (entry: unknown) => typeof entry === 'object' && entry !== null && Object.keys(entry).length === 0;
