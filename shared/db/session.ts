import type pg from 'pg';
import { translateDatabaseError } from './errors.ts';
import { pool } from './pools.ts';

/** A connection to the primary outside of a transaction. */
export type Session = pg.PoolClient;

/**
 * Runs `work` outside of a transaction, for statements that Postgres refuses inside one, and returns its result.
 * Undefined if another session of the same name is open. `timeouts` are in milliseconds; 0 means none.
 *
 * @throws what `work` throws; database errors are translated
 */
export async function inSession<T>(
  name: string,
  timeouts: { lockMs: number; statementMs: number },
  work: (session: Session) => Promise<T>,
): Promise<T | undefined> {
  const session = await (await pool('writer')).connect().catch((error: unknown) => {
    throw translateDatabaseError(error);
  });
  let broken: Error | undefined;
  try {
    const { rows } = await session.query<{ ours: boolean }>(
      'select pg_try_advisory_lock(hashtextextended($1, 0)) as ours',
      [name],
    );
    if (!rows[0]!.ours) return undefined;
    await session.query(
      `set lock_timeout = ${timeouts.lockMs}; set statement_timeout = ${timeouts.statementMs}; set transaction_timeout = 0`,
    );
    return await work(session);
  } catch (error) {
    broken = error as Error;
    throw translateDatabaseError(error);
  } finally {
    await session
      .query('reset lock_timeout; reset statement_timeout; reset transaction_timeout; select pg_advisory_unlock_all()')
      .catch((error: Error) => {
        broken = error;
      });
    session.release(broken);
  }
}
