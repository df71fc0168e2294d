import sql from 'sql-template-tag';
import { commit } from '../../shared/changes/commit.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { Conflict, NotFound } from '../../shared/kernel/errors.ts';
import { alertOperations } from './alert-contract.ts';
import { type FiringJson, firingJson } from './alert-json.ts';
import { isOwn } from './own-alert.ts';

/**
 * Sends a dead firing again, before later ones of its alert that are still pending. Its id and its body stay.
 *
 * @throws NotFound  the key has no such alert, or the alert no such firing
 * @throws Conflict  the firing is not dead
 */
export const replayFiring = respond(alertOperations.replayFiring, async ({ path }, { keyId }) => {
  const { id, firing } = path;
  return commit(async (tx) => {
    const found = await tx.query<{ status: string }>(sql`
      select f.status from portfolio.alert_firings f join portfolio.alerts a on a.id = f.alert_id
      where ${isOwn(id, keyId)} and f.id = ${firing} for update of f`);
    if (!found.rows[0]) throw new NotFound(`There is no firing ${firing} of an alert ${id}.`);
    if (found.rows[0].status !== 'dead')
      throw new Conflict(
        `The firing ${firing} is ${found.rows[0].status}. Only one that was given up can be replayed.`,
      );
    const { rows } = await tx.query<{ firing: FiringJson }>(sql`
      update portfolio.alert_firings f
      set status = 'pending', attempts = 0, first_attempt_at = null, next_attempt_at = now()
      where f.id = ${firing} returning ${firingJson} as firing`);
    await tx.query(sql`select platform.announce('firings_queued', array['alerts:' || ${id}::text])`);
    return rows[0]!.firing;
  });
});
