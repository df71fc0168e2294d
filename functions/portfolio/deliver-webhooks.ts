/**
 * Delivery of what alerts fired, at least once, and in order per alert.
 *
 *     pending ──▶ delivered
 *        │  ▲
 *        ▼  │ replay
 *       dead
 *
 * A worker claims firings in one transaction, sends them outside of any, and then records what happened. If it dies in
 * between, its claims end by themselves and the firings are sent again, with the same id. Only the oldest pending firing of
 * an alert can be claimed, so a later one is not sent before it is delivered or dead. A failed one is tried again after
 * growing delays, for the last time 24 hours after the first.
 *
 * Receivers do not wait for each other: no owner and no host has more than a few of the requests under way, and each ends
 * after ten seconds.
 */
import sql from 'sql-template-tag';
import { inTransaction } from '../../shared/db/transaction.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { log } from '../../shared/observability/log.ts';
import { count } from '../../shared/observability/metrics.ts';
import { type Outcome, send } from '../../shared/webhook/send.ts';
import { signedHeaders } from '../../shared/webhook/sign.ts';
import { conditionJson } from './alert-json.ts';
import { jobs } from './jobs.ts';

const timeoutMs = 10_000;
/** Longer than a request may take. */
const claimSeconds = 60;
const maxUnderWay = 50;
const maxPerReceiver = 5;
const firstDelaySeconds = 60;
const maxDelaySeconds = 4 * 3_600;
const givenUpAfterSeconds = 86_400;
/** How soon firings that are written while others are under way are seen. */
const lookAgainMs = 1_000;

/** Sends what is due until nothing is, or the deadline is near. Its result has the number of attempts that succeeded and failed. */
export const deliverWebhooks = handleJob(jobs.deliverWebhooks, async ({ deadline }) => {
  const result = { delivered: 0, failed: 0 };
  const underWay = new Set<Promise<void>>();
  const unrecorded: unknown[] = [];
  const hasTime = () => Date.now() < deadline.getTime() && unrecorded.length === 0;
  try {
    while (hasTime()) {
      const room = maxUnderWay - underWay.size;
      // not for every one that ends: a claim looks at all that is due
      for (const claim of room >= maxUnderWay / 2 ? await claimDue(room) : []) {
        const delivery = deliver(claim, result)
          .catch((error: unknown) => void unrecorded.push(error))
          .finally(() => underWay.delete(delivery));
        underWay.add(delivery);
      }
      if (underWay.size === 0) break;
      await oneOf(underWay);
    }
  } finally {
    await Promise.all(underWay);
  }
  if (unrecorded.length > 0) throw unrecorded[0];
  await forgetOld();
  return hasTime() ? { result } : 'continue';
});

interface Claim {
  id: string;
  alertId: string;
  url: string;
  body: string;
  secrets: Buffer[];
}

/** Claims up to `room` firings that are due: of each alert the oldest, and of each owner and host a few. */
async function claimDue(room: number): Promise<Claim[]> {
  const { rows } = await inTransaction((tx) =>
    tx.query<Claim>(sql`
      with heads as materialized (
        select f.id, f.next_attempt_at, coalesce(f.claimed_until > now(), false) as is_claimed, a.key_id,
          lower(substring(a.webhook_url from '^[a-zA-Z]+://([^/?#]*)')) as host
        from portfolio.alert_firings f join portfolio.alerts a on a.id = f.alert_id
        where f.status = 'pending' and f.next_attempt_at <= now() and a.key_id in (select platform.active_keys())
          and not exists (
            select from portfolio.alert_firings e where e.alert_id = f.alert_id and e.status = 'pending' and e.id < f.id)
      ), ranked as (
        select id, is_claimed, next_attempt_at,
          row_number() over (partition by key_id order by is_claimed desc, next_attempt_at, id) as of_key,
          row_number() over (partition by host order by is_claimed desc, next_attempt_at, id) as of_host
        from heads
      ), chosen as (
        select id from ranked where not is_claimed and of_key <= ${maxPerReceiver} and of_host <= ${maxPerReceiver}
        order by next_attempt_at, id limit ${room}
      ), claimed as (
        select f.id from portfolio.alert_firings f
        where f.id in (select id from chosen) and f.status = 'pending' and (f.claimed_until is null or f.claimed_until <= now())
        for update skip locked
      )
      update portfolio.alert_firings f
      set claimed_until = now() + make_interval(secs => ${claimSeconds}), attempts = f.attempts + 1,
        first_attempt_at = coalesce(f.first_attempt_at, now())
      from claimed c, portfolio.alerts a
      where f.id = c.id and a.id = f.alert_id
      returning f.id::text, f.alert_id as "alertId", a.webhook_url as url,
        jsonb_build_object('type', 'alert.fired', 'timestamp', platform.iso(f.fired_at), 'data', f.data || jsonb_build_object(
          'alertId', f.alert_id, 'firingId', f.id::text, 'condition', ${conditionJson},
          'value', trim_scale(f.value)::text, 'observedAt', platform.iso(f.observed_at)))::text as body,
        array[a.secret] || case when a.previous_until > now() then array[a.previous_secret] end as secrets`),
  );
  return rows;
}

async function deliver({ id, alertId, url, body, secrets }: Claim, result: Record<'delivered' | 'failed', number>) {
  const message = { id: `firing_${id}`, body, at: new Date() };
  const failure = await send({ url, headers: signedHeaders(message, secrets), body }, timeoutMs);
  result[failure === undefined ? 'delivered' : 'failed']++;
  const status = await record(id, failure);
  count('Webhooks', 'Count', 1, { outcome: status });
  if (status === 'dead') log.warn('webhook given up', { alertId, firing: id, reason: failure });
}

const givesUpAt = sql`f.first_attempt_at + make_interval(secs => ${givenUpAfterSeconds})`;

/** Records what became of an attempt. Returns the firing's status. */
async function record(id: string, failure: Outcome): Promise<string> {
  if (failure === undefined) {
    await inTransaction((tx) =>
      tx.query(sql`
        update portfolio.alert_firings set status = 'delivered', delivered_at = now(), claimed_until = null, last_error = null
        where id = ${id}`),
    );
    return 'delivered';
  }
  const { rows } = await inTransaction((tx) =>
    tx.query<{ status: string }>(sql`
      update portfolio.alert_firings f
      set claimed_until = null, last_error = ${failure},
        next_attempt_at = least(${givesUpAt}, now() + make_interval(secs => least(${maxDelaySeconds}::float8,
          ${firstDelaySeconds} * 2 ^ (least(f.attempts, 20) - 1)) * (0.9 + 0.2 * random()))),
        status = case when now() >= ${givesUpAt} then 'dead' else 'pending' end
      where f.id = ${id} and f.status = 'pending' returning f.status`),
  );
  // deleted, or delivered by another worker
  return rows[0]?.status ?? 'gone';
}

/** Firings of the last 90 days are kept, and those that are not delivered yet. */
async function forgetOld(): Promise<void> {
  await inTransaction((tx) =>
    tx.query(`delete from portfolio.alert_firings where status <> 'pending' and fired_at < now() - interval '90 days'`),
  );
}

/** Waits until one of them has ended, or it is time to look again. */
async function oneOf(promises: ReadonlySet<Promise<void>>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const later = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, lookAgainMs);
  });
  await Promise.race([...promises, later]).finally(() => clearTimeout(timer));
}
