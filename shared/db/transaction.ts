import type pg from 'pg';
import { noteServer } from '../observability/servers.ts';
import { isDemotion, translateDatabaseError } from './errors.ts';
import { dropPool, pool } from './pools.ts';

/** A connection inside a transaction on the primary. */
export type Transaction = pg.PoolClient;

/** `repeatable read`: all statements see one snapshot. Writing a row that was changed since then fails (retryable). */
export type Isolation = 'read committed' | 'repeatable read';

/**
 * Runs `work` in one transaction on the primary and returns its result. Raises no fences: for the platform's own
 * records.
 *
 * @throws what `work` throws, after ROLLBACK; database errors are translated
 */
export async function inTransaction<T>(
  work: (tx: Transaction) => Promise<T>,
  isolation: Isolation = 'read committed',
): Promise<T> {
  const writer = await pool('writer');
  const tx = await writer.connect().catch((error: unknown) => {
    throw translateDatabaseError(error);
  });
  let broken: Error | undefined;
  try {
    noteServer('writer');
    await tx.query(`begin isolation level ${isolation}`);
    const result = await work(tx);
    await tx.query('commit');
    return result;
  } catch (error) {
    await tx.query('rollback').catch((failed: Error) => {
      broken = failed;
    });
    // a failover has demoted the server behind these connections
    if (isDemotion(error)) await dropPool('writer', writer);
    throw translateDatabaseError(error);
  } finally {
    tx.release(broken);
  }
}
