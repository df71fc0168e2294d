import sql from 'sql-template-tag';
import { respond } from '../../shared/http/endpoint.ts';
import { alertOperations } from './alert-contract.ts';
import { updateAlert } from './own-alert.ts';

/**
 * Pauses an alert. Once this is answered, it fires no more. Pausing a paused one changes nothing.
 *
 * @throws NotFound  the key has no such alert
 */
export const pauseAlert = respond(alertOperations.pauseAlert, ({ path }, { keyId }) =>
  updateAlert(path.id, keyId, sql`paused_at = coalesce(a.paused_at, now())`),
);
