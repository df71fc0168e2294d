import sql from 'sql-template-tag';
import { query } from '../../shared/db/read.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { alertOperations } from './alert-contract.ts';
import { type AlertJson, alertJson } from './alert-json.ts';

/** All alerts of the key, latest first: at most 100. */
export const listAlerts = respond(alertOperations.listAlerts, async (_, { keyId }) => {
  const rows = await query<{ alert: AlertJson }>(
    sql`select ${alertJson} as alert from portfolio.alerts a where a.key_id = ${keyId} order by a.id desc`,
    'alerts',
  );
  return { alerts: rows.map(({ alert }) => alert) };
});
