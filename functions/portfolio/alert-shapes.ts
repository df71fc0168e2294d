/** The shapes of alerts and their firings. */
import * as z from 'zod';
import { address } from '../../shared/kernel/address.ts';
import { decimal } from '../../shared/kernel/decimal.ts';
import { count, timestamp } from '../../shared/kernel/fields.ts';
import { ulidText } from '../../shared/kernel/ulid.ts';
import { tokenKey } from './shapes.ts';

export const byAlert = z.strictObject({ id: ulidText });

export const firingId = z.string().regex(/^[1-9]\d{0,17}$/, 'must be the id of a firing');

const direction = z.enum(['above', 'below']);

const thresholdUsd = z
  .string()
  .regex(/^\d{1,30}(\.\d{1,18})?$/, 'must be a decimal number')
  .refine((text) => /[1-9]/.test(text), 'must be above 0');

/** What an alert observes. It fires at the threshold, not only beyond it. */
export const condition = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('price'), token: tokenKey, direction, thresholdUsd }),
  z.strictObject({ kind: z.literal('value'), wallet: address, direction, thresholdUsd }),
  /** The value of a wallet has fallen by so much from its maximum in the window. */
  z.strictObject({
    kind: z.literal('drawdown'),
    wallet: address,
    percent: z.int().min(1).max(99),
    windowDays: z.int().min(1).max(90),
  }),
  /** A lock of the wallet unlocks within so many days. Fires once for each lock. */
  z.strictObject({ kind: z.literal('lock_expiry'), wallet: address, days: z.int().min(1).max(365) }),
]);

export type Condition = z.output<typeof condition>;

/** Of the threshold. */
export const marginPercent = z.number().min(0).max(50);

export const alert = z
  .strictObject({
    id: ulidText,
    condition,
    marginPercent,
    webhookUrl: z.string(),
    status: z.enum(['active', 'paused']),
    createdAt: timestamp,
    /** Null if it has not fired in the last 90 days. */
    lastFiredAt: timestamp.nullable(),
    /** The firings that are still to be delivered, and those that were given up. */
    deliveries: z.strictObject({ pending: count, dead: count }),
  })
  .meta({ id: 'Alert' });

export const firing = z
  .strictObject({
    id: firingId,
    firedAt: timestamp,
    /** The time of the value that reached the threshold. */
    observedAt: timestamp,
    /** USD, percent, or days, as the threshold. */
    value: decimal,
    /** The lock, of a `lock_expiry`. */
    lock: z.strictObject({ protocol: z.string(), chain: z.string(), id: z.string(), unlockAt: timestamp }).nullable(),
    delivery: z.strictObject({
      status: z.enum(['pending', 'delivered', 'dead']),
      attempts: count,
      nextAttemptAt: timestamp.nullable(),
      /** What the receiver did at the last attempt. */
      lastError: z.string().nullable(),
      deliveredAt: timestamp.nullable(),
    }),
  })
  .meta({ id: 'AlertFiring' });
