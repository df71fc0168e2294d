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

const tokenCount = z.coerce.number().int().min(0).max(1_000_000);
const flag = z
  .enum(['true', 'false', '1', '0', 't', 'f'], 'must be true or false')
  .transform((value) => ['true', '1', 't'].includes(value));

export const datasets = defineDatasets({
  wallets: {
    summary: 'Wallets with their labels, and which of them are tracked: synced, and valued every five minutes.',
    row: z.strictObject({
      wallet_address: address,
      label: storedText(100).optional(),
      is_tracked: flag.optional(),
    }),
    aliases: { wallet: 'wallet_address', address: 'wallet_address', tracked: 'is_tracked' },
    settable: ['is_tracked'],
  },
  tokens: {
    summary: 'Tokens by chain and contract, or by symbol where there is no contract, with their names.',
    row: z.strictObject({
      token_symbol: symbol,
      chain: chain.optional(),
      token_address: address.optional(),
      name: storedText(200).optional(),
      decimals: z.coerce.number().int().min(0).max(77).optional(),
      coingecko_id: storedText(100).optional(),
    }),
    aliases: { symbol: 'token_symbol' },
    settable: ['chain'],
  },
  prices: {
    summary: 'Prices in USD at a time (`recorded_at`), or candles of a day (`date`), of a token by its symbol.',
    row: z
      .strictObject({
        token_symbol: symbol,
        chain: chain.optional(),
        token_address: address.optional(),
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
    settable: ['chain', 'token_symbol', 'token_address', 'recorded_at'],
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
  values: {
    summary: 'Values of wallets over time, as another system computed them.',
    row: z.strictObject({
      snapshot_at: instantMs,
      wallet_address: address,
      value_usd: amount,
      priced_tokens: tokenCount,
      unpriced_tokens: tokenCount,
    }),
    aliases: { wallet: 'wallet_address', as_of: 'snapshot_at' },
    settable: ['snapshot_at', 'wallet_address'],
  },
});
