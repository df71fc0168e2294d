/** Rows of alerts and firings as the API shows them. */
import sql from 'sql-template-tag';
import type { OperationResponse } from '../../shared/kernel/operation.ts';
import type { alertOperations } from './alert-contract.ts';

export type AlertJson = OperationResponse<typeof alertOperations.getAlert>;
export type FiringJson = OperationResponse<typeof alertOperations.replayFiring>;

const wallet = sql`(select portfolio.wallet_name(address) from portfolio.wallets where id = a.wallet_id)`;

/** The condition of a row `a` of `portfolio.alerts`. */
export const conditionJson = sql`case a.kind
  when 'price' then jsonb_build_object('kind', a.kind, 'token', (select key from portfolio.tokens where id = a.token_id),
    'direction', a.direction, 'thresholdUsd', trim_scale(a.threshold)::text)
  when 'value' then jsonb_build_object('kind', a.kind, 'wallet', ${wallet},
    'direction', a.direction, 'thresholdUsd', trim_scale(a.threshold)::text)
  when 'drawdown' then jsonb_build_object('kind', a.kind, 'wallet', ${wallet},
    'percent', a.threshold, 'windowDays', a.window_days)
  else jsonb_build_object('kind', a.kind, 'wallet', ${wallet}, 'days', a.threshold) end`;

/** A row `a` of `portfolio.alerts`, without its secret. */
export const alertJson = sql`jsonb_build_object('id', a.id, 'condition', ${conditionJson},
  'marginPercent', a.margin_percent, 'webhookUrl', a.webhook_url,
  'status', case when a.paused_at is null then 'active' else 'paused' end, 'createdAt', platform.iso(a.created_at),
  'lastFiredAt', (select platform.iso(max(f.fired_at)) from portfolio.alert_firings f where f.alert_id = a.id),
  'deliveries', (select jsonb_build_object('pending', count(*) filter (where f.status = 'pending'),
      'dead', count(*) filter (where f.status = 'dead')) from portfolio.alert_firings f where f.alert_id = a.id))`;

/** A row `f` of `portfolio.alert_firings`. */
export const firingJson = sql`jsonb_build_object('id', f.id::text, 'firedAt', platform.iso(f.fired_at),
  'observedAt', platform.iso(f.observed_at), 'value', trim_scale(f.value)::text, 'lock', f.data -> 'lock',
  'delivery', jsonb_build_object('status', f.status, 'attempts', f.attempts,
    'nextAttemptAt', case when f.status = 'pending' then platform.iso(f.next_attempt_at) end,
    'lastError', f.last_error, 'deliveredAt', platform.iso(f.delivered_at)))`;
