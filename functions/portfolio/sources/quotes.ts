/** What all price sources have in common: how a token is named to them, and what they answer. */
import * as z from 'zod';
import type { Upstream } from '../../../shared/kernel/upstream.ts';
import type { Connection } from '../../../shared/upstream/client.ts';

/** A token, by all that price sources know it by. */
export interface PricedToken {
  id: number;
  chain: string | null;
  /** `0x` and 40 hex digits. */
  address: string | null;
  coingeckoId: string | null;
}

/** What a source says that a token is worth. It is not judged yet. */
export interface Quote {
  tokenId: number;
  source: 'defillama' | 'coingecko' | 'alchemy';
  /** USD, as a decimal string. */
  priceUsd: string;
  /** The source's own time of the price. */
  quotedAt: Date;
  /** From 0 to 1; null if the source does not say. */
  confidence: number | null;
}

/** A source's answer. Tokens that it does not know are in neither list. */
export interface Quotes {
  quotes: Quote[];
  /** The names of tokens whose entries are not as described. */
  malformed: string[];
}

/** A price as a JSON number. Its digits are kept where a double does not hold them. */
export const jsonPrice = z.union([z.number().nonnegative(), z.string().regex(/^\d{1,400}$/)]).transform(String);

/** A time in seconds since 1970, of the years that a Date holds. */
export const unixSeconds = z
  .number()
  .min(0)
  .max(8.64e12)
  .transform((seconds) => new Date(Math.floor(seconds * 1_000)));

/** Tokens by the name that a source gives them. Several tokens may share one. Tokens without a name are left out. */
export function byName(
  tokens: readonly PricedToken[],
  nameOf: (token: PricedToken) => string | null,
): Map<string, number[]> {
  const named = new Map<string, number[]>();
  for (const token of tokens) {
    const name = nameOf(token);
    if (name !== null) named.set(name, [...(named.get(name) ?? []), token.id]);
  }
  return named;
}

/**
 * The entries of an answer that are as described, by name. One that is not costs itself alone. If none is, the source has
 * changed.
 *
 * @throws Upstream  no entry is as described (retryable)
 */
export function parseEntries<Entry>(
  expect: Connection<Upstream>['expect'],
  operation: string,
  schema: z.ZodType<Entry>,
  found: Iterable<readonly [name: string, entry: unknown]>,
): { entries: [name: string, entry: Entry][]; malformed: string[] } {
  const [entries, malformed]: [[string, Entry][], string[]] = [[], []];
  const all = new Map(found);
  for (const [name, entry] of all) {
    const parsed = schema.safeParse(entry);
    if (parsed.success) entries.push([name, parsed.data]);
    else malformed.push(name);
  }
  // also notes that the response is as expected again
  expect(operation, entries.length === 0 ? z.record(z.string(), schema) : z.unknown(), Object.fromEntries(all));
  return { entries, malformed };
}
