/** Fields shared by contracts. */
import * as z from 'zod';

/** A nonnegative integer. */
export const count = z.int().nonnegative();

/** A time in UTC: `2026-11-21T09:00:00Z`. */
export const timestamp = z.iso.datetime();

/** The maximum number of items per page: 1 to 200, 50 by default. */
export const limit = z.coerce.number().int().min(1).max(200).default(50);

/** A time that a client gives: `2026-11-21T09:00:00.000000Z` at most. */
export const timeParameter = z.iso.datetime().max(32);
