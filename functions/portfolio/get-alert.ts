import sql from 'sql-template-tag';
import { query } from '../../shared/db/read.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { alertOperations } from './alert-contract.ts';
import { type AlertJson, alertJson } from './alert-json.ts';
import { isOwn, noSuchAlert } from './own-alert.ts';

/**
 * An alert, without its secret.
 *
 * @throws NotFound  the key has no such alert
 */
export const getAlert = respond(alertOperations.getAlert, async ({ path }, { keyId }) => {
  const [row] = await query<{ alert: AlertJson }>(
    sql`select ${alertJson} as alert from portfolio.alerts a where ${isOwn(path.id, keyId)}`,
    'alerts',
  );
  if (!row) throw noSuchAlert(path.id);
  return row.alert;
});
