import sql from 'sql-template-tag';
import { commit } from '../../shared/changes/commit.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { alertOperations } from './alert-contract.ts';
import { type AlertJson, alertJson } from './alert-json.ts';
import { jobs } from './jobs.ts';
import { isOwn, noSuchAlert, waitForEvaluation } from './own-alert.ts';

/**
 * Resumes an alert with the latest value. It is armed, or not, as it was when it was paused. Resuming an active one changes
 * nothing.
 *
 * @throws NotFound  the key has no such alert
 */
export const resumeAlert = respond(alertOperations.resumeAlert, async ({ path }, { keyId }) => {
  const { rows } = await commit(async (tx) => {
    await waitForEvaluation(tx);
    await tx.query(sql`
      update portfolio.alert_states s set evaluated_to = null
      from portfolio.alerts a where ${isOwn(path.id, keyId)} and a.paused_at is not null and s.alert_id = a.id`);
    return tx.query<{ alert: AlertJson }>(sql`
      update portfolio.alerts a set paused_at = null,
        active_since = case when a.paused_at is null then a.active_since else date_trunc('milliseconds', now()) end
      where ${isOwn(path.id, keyId)} returning ${alertJson} as alert`);
  });
  if (!rows[0]) throw noSuchAlert(path.id);
  await enqueueJob(jobs.evaluateAlerts, {}, 'a resumed alert');
  return rows[0].alert;
});
