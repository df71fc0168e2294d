import sql from 'sql-template-tag';
import { inTransaction } from '../../shared/db/transaction.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { alertOperations } from './alert-contract.ts';
import { isOwn, noSuchAlert, waitForEvaluation } from './own-alert.ts';

/**
 * Deletes an alert with its firings, the undelivered ones too.
 *
 * @throws NotFound  the key has no such alert
 */
export const deleteAlert = respond(alertOperations.deleteAlert, async ({ path }, { keyId }) => {
  const { rowCount } = await inTransaction(async (tx) => {
    await waitForEvaluation(tx);
    return tx.query(sql`delete from portfolio.alerts a where ${isOwn(path.id, keyId)}`);
  });
  if (rowCount === 0) throw noSuchAlert(path.id);
  return { id: path.id };
});
