/** The shapes that the contract and the datasets of the portfolio domain share. */
import * as z from 'zod';
import { address } from '../../shared/kernel/address.ts';
import { decimal } from '../../shared/kernel/decimal.ts';
import { count, timestamp } from '../../shared/kernel/fields.ts';
import { instant } from '../../shared/kernel/instant.ts';

/** A chain, as price sources name it: `ethereum`, `base`. */
export const chain = z
  .string()
  .toLowerCase()
  .regex(/^[a-z0-9-]{1,32}$/, 'must be a chain, such as `base`');

/** The symbol of a token, as its issuer writes it. */
export const symbol = z.string().regex(/^[A-Za-z0-9.$_+-]{1,32}$/, 'must be a symbol, such as `UNI`');

/** A token's name in the API: `base:0x…`, `base:hunt`, or `btc` for an asset of no chain. Output is lower case. */
export const tokenKey = z
  .string()
  .max(80)
  .toLowerCase()
  .regex(
    /^(?:[a-z0-9-]{1,32}:)?[a-z0-9.$_+-]{1,42}$/,
    'must be a token, such as `btc`, `base:hunt`, or a chain and an address',
  );

export const byToken = z.strictObject({ id: tokenKey });
export const byWallet = z.strictObject({ wallet: address });

/** A protocol, as its source names it: `veAERO`. */
export const protocol = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$/, 'must be a protocol, such as `veAERO`');

/** The id of a lock in its protocol. */
export const lockId = z.string().regex(/^[A-Za-z0-9:._-]{1,80}$/, 'must be the id of a lock');

/** When a lock ends, in seconds since 1970. Null for `0`: a permanent lock. */
export const lockEnd = z
  .string()
  .regex(/^\d{1,11}$/, 'must be seconds since 1970')
  .transform((seconds) => (Number(seconds) === 0 ? null : new Date(Number(seconds) * 1_000)));

/** Who said what a price is. */
export const priceSource = z.enum(['defillama', 'coingecko', 'alchemy', 'import']);

export const interval = z.enum(['5m', '1h', '1d']);
export const timeframe = z.enum(['30d', '90d']);

/** What a wallet holds of a token. */
export const holding = z
  .strictObject({
    token: z.string(),
    symbol: z.string().nullable(),
    name: z.string().nullable(),
    balance: decimal,
    /** When the balance was last observed. */
    observedAt: timestamp,
    /** No source had a price in the three days before. Its price and value are null, not zero. */
    unpriced: z.boolean(),
    priceUsd: decimal.nullable(),
    pricedAt: timestamp.nullable(),
    source: priceSource.nullable(),
    /** Since when the sources of its price differ by more than 5 %. Null if they agree. */
    disputedSince: timestamp.nullable(),
    valueUsd: decimal.nullable(),
  })
  .meta({ id: 'TokenHolding' });

/** What a wallet holds, and what it is worth. */
export const portfolio = z
  .strictObject({
    wallet: z.string(),
    label: z.string().nullable(),
    isTracked: z.boolean(),
    /** The time of the balances and prices; null: now. */
    at: timestamp.nullable(),
    /** The value of the priced holdings. Null if no balance is known, or none of the holdings has a price. */
    valueUsd: decimal.nullable(),
    pricedTokens: count,
    unpricedTokens: count,
    /** Of the priced ones, those whose sources disagree now. */
    disputedTokens: count,
    coverage: z.strictObject({
      /** Since when any balance of the wallet is known. */
      since: timestamp.nullable(),
      /** The time of the oldest balance and of the oldest price in this answer. */
      oldestBalanceAt: timestamp.nullable(),
      oldestPriceAt: timestamp.nullable(),
    }),
    holdings: z.array(holding),
  })
  .meta({ id: 'Portfolio' });

/** What names a position. */
export const positionNames = {
  protocol: z.string(),
  chain: z.string(),
  /** Its name in the protocol: the id of a lock. */
  id: z.string(),
  kind: z.enum(['lock', 'liquidity', 'staking', 'lending']),
  /** Null: not known. */
  token: z.string().nullable(),
};

/** An amount in a file or from an upstream: a nonnegative decimal number. */
export const amount = z.string().regex(/^\d{1,60}(\.\d{1,77})?$/, 'must be a nonnegative decimal number');

/** By how much the clock of whoever wrote a file may be ahead of ours. */
const maxAheadMs = 5 * 60_000;

function notAhead(time: Date): boolean {
  return time.getTime() <= Date.now() + maxAheadMs;
}

/** A time in a file, in milliseconds. What lies ahead would hide all that is observed until then. */
export const instantMs = instant.refine(notAhead, 'must not be ahead');

const american = /^(\d{1,2})\/(\d{1,2})\/(\d{4})(?: (\d{1,2}):(\d\d))?$/;

/**
 * The end of a period in a file: of the whole UTC day for `2020-10-05` and `10/5/2020`, else the time as given, as in
 * `10/5/2020 23:59`. A candle is known only when it has closed.
 */
export const periodEnd = z
  .string()
  .trim()
  .transform((text) => {
    const [, month, day, year, hour, minute] = american.exec(text) ?? [];
    if (year === undefined) return text;
    const date = `${year}-${month!.padStart(2, '0')}-${day!.padStart(2, '0')}`;
    return hour === undefined ? date : `${date} ${hour.padStart(2, '0')}:${minute}`;
  })
  .transform((text) => (/^\d{4}-\d\d-\d\d$/.test(text) ? `${text} 23:59:59.999` : text))
  .pipe(instantMs);
