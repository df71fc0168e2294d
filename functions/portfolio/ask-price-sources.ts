/**
 * Which source is asked for which tokens. DefiLlama is asked for all. CoinGecko and Alchemy are asked for what it has no
 * believed price of, and, to detect disagreement, for as many others as fit in the same request: disputed tokens first,
 * then those whose last comparison is oldest. Each is sent one request per run: 8,640 a month of the 10,000 that
 * CoinGecko's demo plan allows.
 */
import { isBelieved } from './believed-prices.ts';
import type { PriceCheck } from './record-price-checks.ts';
import { alchemyPageSize, getAlchemyPrices, isOnAlchemy } from './sources/alchemy-prices.ts';
import { type CoinGeckoGroup, coingeckoGroupOf, coingeckoPageSize, getCoinGecko } from './sources/coingecko.ts';
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
export async function askPriceSources(tokens: readonly CheckedToken[], now: Date): Promise<Answers> {
  const answers: Answers = { prices: new Map(), checks: [], malformed: [], failures: {}, asked: new Set() };
  for (const page of pagesOf(tokens, defillamaPageSize))
    if (!(await ask(answers, now, 'defillama', async () => (await getDefiLlama()).getQuotes(page)))) break;
  const candidates = inOrder(tokens, answers);
  const group = candidates.map(coingeckoGroupOf).find((one) => one !== undefined);
  if (group !== undefined) await askCoinGecko(answers, now, group, candidates);
  const onAlchemy = inOrder(tokens, answers).filter(isOnAlchemy).slice(0, alchemyPageSize);
  if (onAlchemy.length > 0)
    await ask(answers, now, 'alchemy', async () => (await getAlchemyPrices()).getQuotes(onAlchemy));
  return answers;
}

async function askCoinGecko(
  answers: Answers,
  now: Date,
  group: CoinGeckoGroup,
  candidates: readonly CheckedToken[],
): Promise<void> {
  const page = candidates.filter((one) => coingeckoGroupOf(one) === group).slice(0, coingeckoPageSize);
  await ask(answers, now, 'coingecko', async () => (await getCoinGecko()).getQuotes(group, page));
}

/** False if the source failed. */
async function ask(answers: Answers, now: Date, source: string, request: () => Promise<Quotes>): Promise<boolean> {
  answers.asked.add(source);
  try {
    const { quotes, malformed } = await request();
    answers.malformed.push(...malformed);
    for (const quote of quotes.filter((one) => isBelieved(one, now))) {
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

/** Tokens in the order in which a second source is asked about them. */
function inOrder(tokens: readonly CheckedToken[], { prices, checks }: Answers): CheckedToken[] {
  const checked = new Set(checks.map(([{ tokenId }]) => tokenId));
  const rank = ({ id, isDisputed }: CheckedToken) => (!prices.has(id) ? 0 : checked.has(id) ? 3 : isDisputed ? 1 : 2);
  const age = ({ checkedAt }: CheckedToken) => checkedAt?.getTime() ?? 0;
  return tokens.toSorted((a, b) => rank(a) - rank(b) || age(a) - age(b) || a.id - b.id);
}

function* pagesOf<T>(items: readonly T[], size: number): Iterable<T[]> {
  for (let i = 0; i < items.length; i += size) yield items.slice(i, i + size);
}
