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

/** How an answer is read: what it must look like as a whole, where its entries are, and what each must look like. */
interface AnswerShape<Envelope, Entry> {
  operation: string;
  envelope: z.ZodType<Envelope>;
  entriesOf(answer: Envelope): Iterable<readonly [name: string, entry: unknown]>;
  entry: z.ZodType<Entry>;
}

/**
 * The entries of an answer that are as described, by name. One that is not costs itself alone. If none is, the source has
 * changed, and the answer counts as unexpected as a whole.
 *
 * @throws Upstream  the answer, or every entry, is not as described (retryable)
 */
export function parseAnswer<Envelope, Entry>(
  expect: Connection<Upstream>['expect'],
  { operation, envelope, entriesOf, entry }: AnswerShape<Envelope, Entry>,
  response: unknown,
): { entries: [name: string, entry: Entry][]; malformed: string[] } {
  const answer = envelope.safeParse(response);
  const all = answer.success ? new Map(entriesOf(answer.data)) : undefined;
  const [entries, malformed]: [[string, Entry][], string[]] = [[], []];
  for (const [name, one] of all ?? []) {
    const parsed = entry.safeParse(one);
    if (parsed.success) entries.push([name, parsed.data]);
    else malformed.push(name);
  }
  // once per response, because a good one ends a row of unexpected ones
  if (!all) expect(operation, envelope, response);
  else if (entries.length === 0) expect(operation, z.record(z.string(), entry), Object.fromEntries(all));
  else expect(operation, z.unknown(), response);
  return { entries, malformed };
}
