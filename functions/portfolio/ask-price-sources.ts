/**
 * Which source is asked for which tokens. DefiLlama is asked for all. CoinGecko and Alchemy are sent one request per run: for
 * tokens without a believed price, and, to detect disagreement, for others that have one: disputed tokens first, then those
 * whose last comparison is oldest. That is 8,640 requests a month, of the 10,000 that CoinGecko's demo plan allows.
 *
 * CoinGecko takes one kind of names per request, so each kind has its turn. Tokens that no source knows have theirs too, and
 * never fill a request.
 */
import { isBelieved } from './believed-prices.ts';
import type { PriceCheck } from './record-price-checks.ts';
import { alchemyPageSize, getAlchemyPrices, isOnAlchemy } from './sources/alchemy-prices.ts';
import { coingeckoGroupOf, coingeckoPageSize, getCoinGecko } from './sources/coingecko.ts';
import { defillamaPageSize, getDefiLlama } from './sources/defillama.ts';
import type { PricedToken, Quote, Quotes } from './sources/quotes.ts';

/** A token with what decides how soon a second source is asked about it. */
export interface CheckedToken extends PricedToken {
  isDisputed: boolean;
  checkedAt: Date | null;
}

/** What the sources answered. */
export interface Answers {
  /** The believed price of each token that has one, from the first source that had it. */
  prices: Map<number, Quote>;
  checks: PriceCheck[];
  /** The names of entries that were not as described. */
  malformed: string[];
  /** Why a source gave no answer, by its name. */
  failures: Record<string, Error>;
  /** The sources that were asked. */
  asked: Set<string>;
}

/** Asks the sources for the prices of all tokens. A source that fails costs its own answer alone. */
export async function askPriceSources(tokens: readonly CheckedToken[], nowMs: number): Promise<Answers> {
  const answers: Answers = { prices: new Map(), checks: [], malformed: [], failures: {}, asked: new Set() };
  for (const page of pagesOf(tokens, defillamaPageSize))
    if (!(await ask(answers, nowMs, 'defillama', async () => (await getDefiLlama()).getQuotes(page)))) break;
  const turn = Math.floor(nowMs / turnMs);
  const groups = [...new Set(tokens.map(coingeckoGroupOf))].filter((one) => one !== undefined).sort();
  const group = groups[turn % groups.length];
  if (group !== undefined) {
    const ofGroup = tokens.filter((one) => coingeckoGroupOf(one) === group);
    const page = choose(ofGroup, coingeckoPageSize, answers, turn);
    await ask(answers, nowMs, 'coingecko', async () => (await getCoinGecko()).getQuotes(group, page));
  }
  const onAlchemy = choose(tokens.filter(isOnAlchemy), alchemyPageSize, answers, turn);
  if (onAlchemy.length > 0)
    await ask(answers, nowMs, 'alchemy', async () => (await getAlchemyPrices()).getQuotes(onAlchemy));
  return answers;
}

/** False if the source failed. */
async function ask(answers: Answers, nowMs: number, source: string, request: () => Promise<Quotes>): Promise<boolean> {
  answers.asked.add(source);
  try {
    const { quotes, malformed } = await request();
    answers.malformed.push(...malformed);
    for (const quote of quotes.filter((one) => isBelieved(one, nowMs))) {
      const recorded = answers.prices.get(quote.tokenId);
      if (recorded) answers.checks.push([recorded, quote]);
      else answers.prices.set(quote.tokenId, quote);
    }
    return true;
  } catch (error) {
    answers.failures[source] = error as Error;
    return false;
  }
}

/** How often the job runs. */
const turnMs = 5 * 60_000;
/** The share of a request that tokens without a price may take, if others are left to be compared. */
const missingShare = 0.75;

/** The tokens of one request to a second source. */
export function choose(
  tokens: readonly CheckedToken[],
  size: number,
  { prices, checks }: Pick<Answers, 'prices' | 'checks'>,
  turn: number,
): CheckedToken[] {
  const checked = new Set(checks.map(([{ tokenId }]) => tokenId));
  const rank = ({ id, isDisputed }: CheckedToken) => (checked.has(id) ? 2 : isDisputed ? 0 : 1);
  const age = ({ checkedAt }: CheckedToken) => checkedAt?.getTime() ?? 0;
  const missing = tokens.filter(({ id }) => !prices.has(id));
  const priced = tokens
    .filter(({ id }) => prices.has(id))
    .toSorted((a, b) => rank(a) - rank(b) || age(a) - age(b) || a.id - b.id);
  const places = Math.max(Math.floor(size * missingShare), size - priced.length);
  const start = missing.length > places ? (turn * places) % missing.length : 0;
  const inTurn = [...missing.slice(start), ...missing.slice(0, start)].slice(0, places);
  return [...inTurn, ...priced].slice(0, size);
}

function* pagesOf<T>(items: readonly T[], size: number): Iterable<T[]> {
  for (let i = 0; i < items.length; i += size) yield items.slice(i, i + size);
}
