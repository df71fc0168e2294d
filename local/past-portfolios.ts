/**
 * A made-up past of some wallets, always the same for one day: prices of the market that the stand-ins show, balances that
 * end at what the chains' stand-ins answer, and the values that follow. As CSV.
 */
import { createHash } from 'node:crypto';
import { createMarket } from './upstreams/market.ts';

export interface PastToken {
  symbol: string;
  chain: string;
  address: string;
  /** What an account holds now. */
  balanceOf(account: string): number;
}

export const dayMs = 86_400_000;
const days = 480;
const hourlyDays = 21;
const daysPerChange = 6;

export const wallets = ['Ada', 'Bo', 'Cleo', 'Dara', 'Eli', 'Fay'].map((label) => ({
  label,
  address: `0x${createHash('sha256').update(`sample wallet ${label}`).digest('hex').slice(0, 40)}`,
}));

const market = createMarket();
const iso = (timeMs: number) => new Date(timeMs).toISOString();
const csv = (header: string, rows: readonly (readonly (string | number)[])[]) =>
  [header, ...rows.map((row) => row.join(','))].join('\n');

/** A number from 0 to 1 that a name always gets. */
function share(name: string): number {
  return createHash('sha256').update(name).digest().readUInt32BE() / 2 ** 32;
}

function priceOf(token: PastToken, timeMs: number): number {
  return market.priceAt(market.find(token)!, timeMs);
}

/** Every token that wallets of the past held, with its past: the days on which a balance changed, and to what. */
interface Past {
  wallet: string;
  token: PastToken;
  /** By day, 0 is today; the balance is that of the last change before. */
  balances: Map<number, number>;
}

function pastsOf(tokens: readonly PastToken[]): Past[] {
  return wallets.flatMap(({ address }) =>
    tokens.flatMap((token) => {
      const now = token.balanceOf(address);
      if (now === 0) return [];
      const balances = new Map<number, number>();
      let balance = now;
      for (let day = 1; day <= days; day++) {
        const name = `${address} ${token.chain} ${token.symbol} ${day}`;
        if (day === days || share(name) < 1 / daysPerChange) balances.set(day, balance);
        // backwards in time: less on average, and sometimes a sale of a third
        if (balances.has(day)) balance *= share(`sold ${name}`) < 0.04 ? 1.5 : 0.94 + 0.1 * share(`by ${name}`);
      }
      return [{ wallet: address, token, balances }];
    }),
  );
}

/** The files of a sample, by dataset, in the order in which they are imported. */
export function pastFiles(tokens: readonly PastToken[], nowMs: number): [dataset: string, content: string][] {
  const today = Math.floor(nowMs / dayMs) * dayMs;
  const pasts = pastsOf(tokens);
  const times = [
    ...Array.from({ length: days }, (_, i) => today - (days - i) * dayMs),
    ...Array.from({ length: hourlyDays * 24 }, (_, i) => today - i * (dayMs / 24)).filter((time) => time % dayMs > 0),
  ];
  const valueAt = (wallet: string, day: number) => {
    const worth = pasts
      .filter((one) => one.wallet === wallet)
      .map(({ token, balances }) => {
        let since = day;
        while (!balances.has(since)) since++;
        return balances.get(since)! * priceOf(token, today - day * dayMs);
      });
    return { value: worth.reduce((sum, one) => sum + one, 0), tokens: worth.length };
  };
  return [
    [
      'wallets',
      csv(
        'wallet,label,tracked',
        wallets.map(({ label, address }) => [address, label, 'true']),
      ),
    ],
    [
      'tokens',
      csv(
        'symbol,chain,token_address,name,decimals,coingecko_id',
        tokens.map((token) => {
          const { name, decimals, coingeckoId } = market.find(token)!;
          return [token.symbol, token.chain, token.address, name, decimals, coingeckoId];
        }),
      ),
    ],
    [
      'prices',
      csv(
        'symbol,chain,token_address,recorded_at,price',
        times.flatMap((time) =>
          tokens.map((token) => [token.symbol, token.chain, token.address, iso(time), priceOf(token, time)]),
        ),
      ),
    ],
    [
      'balances',
      csv(
        'symbol,chain,token_address,wallet,as_of,balance',
        pasts.flatMap(({ wallet, token, balances }) =>
          [...balances].map(([day, balance]) => [
            token.symbol,
            token.chain,
            token.address,
            wallet,
            iso(today - day * dayMs),
            balance.toFixed(8),
          ]),
        ),
      ),
    ],
    [
      'values',
      csv(
        'wallet,as_of,value_usd,priced_tokens,unpriced_tokens',
        wallets.flatMap(({ address }) =>
          Array.from({ length: days - 1 }, (_, i) => {
            const { value, tokens: held } = valueAt(address, i + 1);
            return [address, iso(today - (i + 1) * dayMs), value.toFixed(2), held, 0];
          }),
        ),
      ),
    ],
  ];
}
