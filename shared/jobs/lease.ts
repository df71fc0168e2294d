/**
 * Leases on checkpoints. While a sync is running, a second run waits its turn. A run whose lease was taken over can write
 * nothing more, because every batch advances the checkpoint under the run's token, in the batch's transaction.
 */
import { randomUUID } from 'node:crypto';
import { inTransaction, type Transaction } from '../db/transaction.ts';
import { Busy } from '../kernel/errors.ts';

export interface Lease {
  name: string;
  token: string;
  /** Where the previous run stopped; null at the beginning. */
  position: unknown;
}

/** How many rows of a sync were read since its beginning, and how many of them were rejected. */
export interface RowCounts {
  read: number;
  rejected: number;
}

const leaseSeconds = 120;
/** How soon a run that met another one tries again. */
const turnAfterSeconds = 30;

/**
 * Takes the lease of a checkpoint.
 *
 * @throws Busy  another run holds it (retryable)
 */
export async function takeLease(name: string): Promise<Lease> {
  const token = randomUUID();
  const { rows } = await inTransaction((tx) =>
    tx.query<{ position: unknown }>(
      `insert into platform.checkpoints as c (name, lease_token, lease_until)
       values ($1, $2, clock_timestamp() + make_interval(secs => $3))
       on conflict (name) do update set lease_token = excluded.lease_token, lease_until = excluded.lease_until
         where c.lease_until is null or c.lease_until < clock_timestamp()
       returning position`,
      [name, token, leaseSeconds],
    ),
  );
  if (rows.length === 0)
    throw new Busy(`Another run of ${name} is in progress.`, turnAfterSeconds, { details: { name } });
  return { name, token, position: rows[0]!.position };
}

/**
 * Advances the checkpoint and extends the lease, in the transaction of the batch. Returns the counts including the batch.
 *
 * @throws Busy  another run took the lease over: the transaction must not commit (retryable)
 */
export async function moveCheckpoint(
  tx: Transaction,
  lease: Lease,
  position: unknown,
  counts: RowCounts = { read: 0, rejected: 0 },
): Promise<RowCounts> {
  const { rows } = await tx.query<RowCounts>(
    `update platform.checkpoints set position = $3, updated_at = now(), rows_read = rows_read + $5,
       rows_rejected = rows_rejected + $6, lease_until = clock_timestamp() + make_interval(secs => $4)
     where name = $1 and lease_token = $2
     returning rows_read::float8 as read, rows_rejected::float8 as rejected`,
    [
      lease.name,
      lease.token,
      position === null ? null : JSON.stringify(position),
      leaseSeconds,
      counts.read,
      counts.rejected,
    ],
  );
  if (!rows[0])
    throw new Busy(`Another run took over ${lease.name}.`, turnAfterSeconds, { details: { name: lease.name } });
  return rows[0];
}

/** Extends the lease while the source has nothing to apply yet. */
export async function extendCheckpoint({ name, token }: Lease): Promise<void> {
  await inTransaction((tx) =>
    tx.query(
      `update platform.checkpoints set lease_until = clock_timestamp() + make_interval(secs => $3)
       where name = $1 and lease_token = $2`,
      [name, token, leaseSeconds],
    ),
  );
}

/** Releases the lease. `keep` leaves the position for the next run; `forget` deletes it. */
export async function releaseLease(lease: Lease, outcome: 'keep' | 'forget'): Promise<void> {
  await inTransaction((tx) =>
    outcome === 'keep'
      ? tx.query(
          `update platform.checkpoints set lease_token = null, lease_until = null where name = $1 and lease_token = $2`,
          [lease.name, lease.token],
        )
      : tx.query(`delete from platform.checkpoints where name = $1 and lease_token = $2`, [lease.name, lease.token]),
  );
}
