import { type Isolation, inTransaction, type Transaction } from '../db/transaction.ts';
import { nudgeRelay } from '../events/nudge.ts';
import { correlationId } from '../observability/correlation.ts';
import { log } from '../observability/log.ts';
import { getCache } from '../resources.ts';

interface Announced {
  xid: string | null;
  entities: string[];
}

/**
 * Runs `write` in one transaction on the primary, makes its changes visible to all readers, and returns its result.
 *
 * Before COMMIT it collects the entities that the transaction's outbox rows name; after COMMIT it raises their fences
 * and wakes the relay. Both steps are for speed; the outbox is the guarantee. If this container dies after COMMIT, the
 * relay's next round announces the same change.
 *
 * @throws what `write` throws, after ROLLBACK; database errors are translated
 */
export async function commit<T>(
  write: (tx: Transaction) => Promise<T>,
  isolation: Isolation = 'read committed',
): Promise<T> {
  const [result, announced] = await inTransaction(async (tx) => {
    // not a SELECT: the snapshot of REPEATABLE READ is taken by the first statement of `write` that needs one
    await tx.query(`set local tributary.correlation_id = ${tx.escapeLiteral(correlationId())}`);
    const written = await write(tx);
    return [written, await announcedEntities(tx)] as const;
  }, isolation);
  if (announced.xid !== null && announced.entities.length > 0)
    await announce(announced.entities, Number(announced.xid));
  return result;
}

async function announcedEntities(tx: Transaction): Promise<Announced> {
  const { rows } = await tx.query<Announced>(`
    select pg_current_xact_id_if_assigned()::text as xid, coalesce(array_agg(distinct entity), '{}') as entities
    from platform.outbox, unnest(entities) as entity
    where xid = pg_current_xact_id_if_assigned() and created_at = now()`);
  return rows[0]!;
}

async function announce(entities: string[], xid: number): Promise<void> {
  const outcomes = await Promise.allSettled([getCache().then((cache) => cache.raise(entities, xid)), nudgeRelay()]);
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') log.warn('change not announced, left to the relay', { error: outcome.reason });
  }
}
