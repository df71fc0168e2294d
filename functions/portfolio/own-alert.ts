/** What the operations of one alert have in common: it belongs to the key of the request, or it does not exist. */
import sql, { type Sql } from 'sql-template-tag';
import { inTransaction, type Transaction } from '../../shared/db/transaction.ts';
import { NotFound } from '../../shared/kernel/errors.ts';
import { type AlertJson, alertJson } from './alert-json.ts';

/** The condition on a row `a` of `portfolio.alerts`. */
export function isOwn(id: string, keyId: string | undefined): Sql {
  return sql`a.id = ${id} and a.key_id = ${keyId}`;
}

/** The same whether there is none or it belongs to somebody else. */
export function noSuchAlert(id: string): NotFound {
  return new NotFound(`There is no alert ${id}.`);
}

/** Waits for the evaluation that is running, if any: after the change, the alert does not fire as it was before. */
export async function waitForEvaluation(tx: Transaction): Promise<void> {
  await tx.query(`select pg_advisory_xact_lock_shared(hashtextextended('portfolio.evaluateAlerts', 0))`);
}

/**
 * Changes an alert, between two evaluations.
 *
 * @param assignments  of an UPDATE
 * @throws NotFound  the key has no such alert
 */
export async function updateAlert(id: string, keyId: string | undefined, assignments: Sql): Promise<AlertJson> {
  return inTransaction(async (tx) => {
    await waitForEvaluation(tx);
    const { rows } = await tx.query<{ alert: AlertJson }>(
      sql`update portfolio.alerts a set ${assignments} where ${isOwn(id, keyId)} returning ${alertJson} as alert`,
    );
    if (!rows[0]) throw noSuchAlert(id);
    return rows[0].alert;
  });
}
