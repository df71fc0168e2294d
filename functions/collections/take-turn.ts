import sql, { raw } from 'sql-template-tag';
import { inTransaction } from '../../shared/db/transaction.ts';
import { toBytes } from '../../shared/kernel/address.ts';

/**
 * Puts a collection last in the order of a job, before the job begins with it: whatever it does, also if it never ends or
 * kills its worker, the others have their turn first.
 */
export async function takeTurn(column: 'transfers_tried_at' | 'owners_tried_at', address: string): Promise<void> {
  await inTransaction((tx) =>
    tx.query(sql`update collections.collections set ${raw(column)} = now() where address = ${toBytes(address)}`),
  );
}
