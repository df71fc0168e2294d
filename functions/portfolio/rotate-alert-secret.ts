import sql from 'sql-template-tag';
import { inTransaction } from '../../shared/db/transaction.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { newSecret, secretText } from '../../shared/webhook/sign.ts';
import { alertOperations } from './alert-contract.ts';
import { isOwn, noSuchAlert } from './own-alert.ts';

/**
 * Replaces the secret of an alert's webhooks. For 24 hours they carry two signatures, so that the receiver can change over
 * at any time. A second rotation within that time ends the first secret.
 *
 * @throws NotFound  the key has no such alert
 */
export const rotateAlertSecret = respond(alertOperations.rotateAlertSecret, async ({ path }, { keyId }) => {
  const secret = newSecret();
  const { rows } = await inTransaction((tx) =>
    tx.query<{ until: string }>(sql`
      update portfolio.alerts a
      set previous_secret = a.secret, previous_until = now() + interval '24 hours', secret = ${secret}
      where ${isOwn(path.id, keyId)} returning platform.iso(a.previous_until) as until`),
  );
  if (!rows[0]) throw noSuchAlert(path.id);
  return { id: path.id, webhookSecret: secretText(secret), previousSignsUntil: rows[0].until };
});
