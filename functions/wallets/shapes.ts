/** The schemas shared by the operations and datasets of the wallets domain. */
import * as z from 'zod';
import { flowAddress } from '../../shared/kernel/address.ts';
import { decimal } from '../../shared/kernel/decimal.ts';
import { count, timestamp } from '../../shared/kernel/fields.ts';

/** How rare an edition is, most common first. */
export const tier = z.enum(['COMMON', 'UNCOMMON', 'RARE', 'LEGENDARY', 'ULTIMATE']).meta({ id: 'Tier' });

/** The id of an edition: the ids of its set and play, such as `26-565`. Leading zeros are removed. */
export const editionId = z
  .string()
  .regex(/^\d{1,9}-\d{1,9}$/, 'must be a set id and a play id, such as 26-565')
  .transform((text) => text.split('-').map(Number).join('-'))
  .meta({ id: 'EditionId' });

/**
 * How far ahead an event may be dated: a day, in microseconds. What is dated later would hide every event that follows,
 * because the latest one counts.
 */
export const maxAheadMicros = 86_400_000_000n;

export const name = z.string().min(1).max(100);
export const byWallet = z.strictObject({ address: flowAddress });
export const byEdition = z.strictObject({ id: editionId });

/** What a leaderboard ranks by: moments, their floor value, or moments of one tier or team. */
export const board = z
  .string()
  .regex(
    /^(moments|floorValue|tier\.(COMMON|UNCOMMON|RARE|LEGENDARY|ULTIMATE)|team\..{1,100})$/,
    'must be moments, floorValue, tier.<TIER> or team.<Team>',
  );

export const ranked = { rank: z.int().positive(), address: z.string(), value: decimal };

export const edition = z
  .strictObject({
    id: z.string(),
    setId: count,
    playId: count,
    setName: z.string().nullable(),
    playerName: z.string().nullable(),
    teamName: z.string().nullable(),
    tier: tier.nullable(),
    /** Known moments; those held by known wallets; of these, those locked. */
    supply: count,
    held: count,
    locked: count,
    /** `locked / held`, 0 to 1. */
    lockedShare: decimal,
    holders: count,
    floorUsd: decimal.nullable(),
    averageSaleUsd: decimal.nullable(),
    saleCount: count,
    lastSaleUsd: decimal.nullable(),
    lastSaleAt: timestamp.nullable(),
  })
  .meta({ id: 'Edition' });

export const counted = z.array(z.strictObject({ name: z.string(), editions: count, moments: count }));
