/** The files that the portfolio domain imports from the imports bucket. The keys of `row` are a file's columns. */
import * as z from 'zod';
import { address } from '../../shared/kernel/address.ts';
import { defineDatasets } from '../../shared/kernel/dataset.ts';
import { storedText } from '../../shared/kernel/text.ts';
import { amount, chain, instantMs, lockEnd, lockId, periodEnd, protocol, symbol } from './shapes.ts';

const optionalAmount = amount.optional();
const block = z
  .string()
  .regex(/^\d{1,18}$/, 'must be the number of a block')
  .transform(BigInt);

export const datasets = defineDatasets({
  prices: {
    summary: 'Prices in USD at a time (`recorded_at`), or candles of a day (`date`), of a token by its symbol.',
    row: z
      .strictObject({
        token_symbol: symbol,
        chain: chain.optional(),
        name: storedText(200).optional(),
        recorded_at: instantMs.optional(),
        date: periodEnd.optional(),
        price_usd: amount,
        open_usd: optionalAmount,
        high_usd: optionalAmount,
        low_usd: optionalAmount,
        volume_usd: optionalAmount,
        market_cap_usd: optionalAmount,
      })
      .superRefine((row, context) => {
        if ((row.recorded_at === undefined) === (row.date === undefined))
          context.addIssue({ code: 'custom', message: 'must have either recorded_at or date' });
      }),
    aliases: {
      symbol: 'token_symbol',
      close: 'price_usd',
      price: 'price_usd',
      open: 'open_usd',
      high: 'high_usd',
      low: 'low_usd',
      volume: 'volume_usd',
      marketcap: 'market_cap_usd',
    },
    settable: ['chain', 'token_symbol', 'recorded_at'],
  },
  balances: {
    summary: 'What wallets held of a token at a time. Wallets that a file does not name keep what they have.',
    row: z.strictObject({
      snapshot_at: instantMs,
      token_symbol: symbol,
      chain: chain.optional(),
      token_address: address.optional(),
      wallet_address: address,
      balance: amount,
      block: block.optional(),
    }),
    aliases: { symbol: 'token_symbol', wallet: 'wallet_address', as_of: 'snapshot_at' },
    settable: ['snapshot_at', 'token_symbol', 'chain', 'token_address'],
  },
  locks: {
    summary: 'Governance locks at a time. Locks that a file does not name keep what they have.',
    row: z.strictObject({
      snapshot_at: instantMs,
      protocol,
      chain,
      lock_id: lockId,
      amount,
      lock_end: lockEnd,
      wallet_address: address.optional(),
      voting_power: optionalAmount,
    }),
    aliases: { owner: 'wallet_address', as_of: 'snapshot_at' },
    settable: ['snapshot_at', 'protocol', 'chain', 'wallet_address'],
  },
});
