/** The files that the wallets domain imports from the imports bucket. The keys of `row` are a file's columns. */
import * as z from 'zod';
import { flowAddress } from '../../shared/kernel/address.ts';
import { defineDatasets } from '../../shared/kernel/dataset.ts';
import { instant, instantMicros } from '../../shared/kernel/instant.ts';
import { storable, storedText } from '../../shared/kernel/text.ts';
import { editionId, maxAheadMicros, tier } from './shapes.ts';

const text = storedText(500);
const id = z.coerce.number().int().min(0).max(2_147_483_647);
const momentIdLimit = 2n ** 63n;

/** The id of a moment. Flow has uint64 ids; a bigint column holds those below 2^63. */
export const momentId = z
  .string()
  .regex(/^(0|[1-9]\d{0,18})$/, { error: 'must be a whole number from 0 to 2^63 - 1', abort: true })
  .refine((digits) => BigInt(digits) < momentIdLimit, 'must be below 2^63');

/** A Flow address as a uint64 in decimal. */
const numericAddress = z
  .string()
  .regex(/^(0|[1-9]\d{0,19})$/, { error: 'must be a uint64 in decimal', abort: true })
  .refine((digits) => BigInt(digits) < 2n ** 64n, 'must be below 2^64')
  .transform((digits) => `0x${BigInt(digits).toString(16).padStart(16, '0')}`);

const price = z.string().regex(/^\d{1,15}(\.\d{1,18})?$/, 'must be a nonnegative decimal number');
/** The time of an event, by which the latest one counts, in microseconds since 1970. */
const eventTime = instantMicros.refine(
  (micros) => micros <= BigInt(Date.now()) * 1_000n + maxAheadMicros,
  'must not be more than a day ahead',
);
const flag = z
  .enum(['true', 'false', '1', '0', 't', 'f'], 'must be true or false')
  .transform((value) => ['true', '1', 't'].includes(value));

export const datasets = defineDatasets({
  moments: {
    summary: 'Moments, each with its set, play, and serial number.',
    row: z.strictObject({ moment_id: momentId, set_id: id, play_id: id, serial_number: id.min(1) }),
  },
  plays: {
    summary: 'Plays. Other columns are stored as details of the play.',
    row: z
      .object({
        play_id: id,
        FullName: text,
        TeamAtMoment: text.optional(),
        PlayCategory: text.optional(),
        NbaSeason: text.optional(),
        DateOfMoment: instant.optional(),
      })
      .catchall(z.string().max(500)),
    aliases: { moment_id: 'play_id' },
  },
  sets: {
    summary: 'The names of sets.',
    row: z.strictObject({ set_id: id, set_name: text }),
  },
  setTiers: {
    summary: 'The tiers of sets, by set name.',
    row: z.strictObject({ set_name: text, tier }),
  },
  holdings: {
    summary: 'The holder of each moment as of its last event. Events older than the stored one change nothing.',
    row: z.strictObject({
      wallet_address: flowAddress,
      moment_id: momentId,
      is_locked: flag.optional(),
      last_event_ts: eventTime,
    }),
    aliases: { nft_id: 'moment_id', timestamp: 'last_event_ts', owner: 'wallet_address' },
    settable: ['last_event_ts', 'is_locked'],
  },
  prices: {
    summary: 'Prices over time, in USD, of an edition (`edition_id`) or of all moments of a player (`player_name`).',
    row: z
      .strictObject({
        snapshot_at: eventTime,
        edition_id: editionId.optional(),
        floor_usd: price.optional(),
        average_sale_usd: price.optional(),
        sale_count: id.optional(),
        // not trimmed: the source has two players whose names differ by a space
        player_name: z.string().overwrite(storable).min(1).max(500).optional(),
        distinct_editions: id.optional(),
        median_recent_sale_cents: id.optional(),
        recent_sale_count: id.optional(),
      })
      .superRefine((row, context) => {
        const isEdition = row.edition_id !== undefined;
        if (isEdition === (row.player_name !== undefined)) {
          context.addIssue({ code: 'custom', message: 'must have either edition_id or player_name' });
        } else if (isEdition && row.floor_usd === undefined && row.average_sale_usd === undefined) {
          context.addIssue({
            code: 'custom',
            path: ['floor_usd'],
            message: 'is required if average_sale_usd is missing',
          });
        } else if (!isEdition && row.median_recent_sale_cents === undefined) {
          context.addIssue({
            code: 'custom',
            path: ['median_recent_sale_cents'],
            message: 'is required with player_name',
          });
        }
      }),
    settable: ['snapshot_at'],
  },
  purchases: {
    summary: 'Sales. The buyer becomes the holder. If only the seller is known, the moment has no known holder.',
    row: z
      .strictObject({
        moment_id: momentId,
        timestamp: eventTime,
        price,
        seller_id: numericAddress.optional(),
        seller: flowAddress.optional(),
        buyer: flowAddress.optional(),
        block_height: z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
      })
      .superRefine((row, context) => {
        if ((row.seller_id === undefined) === (row.seller === undefined))
          context.addIssue({ code: 'custom', message: 'must have either seller_id or seller' });
      }),
    aliases: { token_id: 'moment_id', price_usd: 'price' },
  },
});
