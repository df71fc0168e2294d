import sql, { type Sql } from 'sql-template-tag';
import { query } from '../../shared/db/read.ts';
import { inTransaction, type Transaction } from '../../shared/db/transaction.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { enqueueJob } from '../../shared/jobs/job.ts';
import { toBytes } from '../../shared/kernel/address.ts';
import { Conflict, InvalidInput } from '../../shared/kernel/errors.ts';
import { ulid } from '../../shared/kernel/ulid.ts';
import { newSecret, secretText } from '../../shared/webhook/sign.ts';
import { alertOperations } from './alert-contract.ts';
import { type AlertJson, alertJson } from './alert-json.ts';
import type { Condition } from './alert-shapes.ts';
import { jobs } from './jobs.ts';

const maxAlerts = 100;
const maxUrlLength = 2_000;

/**
 * Creates an alert, armed, and queues its first evaluation. The secret of its webhooks is in this answer only.
 *
 * @throws InvalidInput  there is no such token, or the wallet is not tracked, or the URL is not one of the public internet
 * @throws Conflict      the key has 100 alerts
 */
export const createAlert = respond(alertOperations.createAlert, async ({ body }, { keyId }) => {
  const { condition, marginPercent } = body;
  const webhookUrl = await reachable(body.webhookUrl);
  const observed = await observedBy(condition);
  const { direction, threshold } = levelOf(condition);
  const windowDays = condition.kind === 'drawdown' ? condition.windowDays : null;
  const secret = newSecret();
  const alert = await inTransaction(async (tx) => {
    await assertRoom(tx, keyId!);
    const { rows } = await tx.query<{ alert: AlertJson }>(sql`
      insert into portfolio.alerts as a
        (id, key_id, kind, token_id, wallet_id, direction, threshold, margin_percent, window_days, webhook_url, secret)
      values (${ulid()}, ${keyId}, ${condition.kind}, ${observed.tokenId}, ${observed.walletId}, ${direction},
        ${threshold}, ${marginPercent}, ${windowDays}, ${webhookUrl}, ${secret})
      returning ${alertJson} as alert`);
    return rows[0]!.alert;
  });
  await enqueueJob(jobs.evaluateAlerts, {}, 'a new alert');
  return { ...alert, webhookSecret: secretText(secret) };
});

/** A URL in its canonical form. @throws InvalidInput  it does not lead to the public internet, or is too long */
async function reachable(text: string): Promise<string> {
  // no other operation needs it, so the others start without it
  const { RefusedTarget, resolveTarget } = await import('../../shared/webhook/address.ts');
  try {
    const { href } = (await resolveTarget(text)).url;
    if (href.length <= maxUrlLength) return href;
  } catch (error) {
    if (error instanceof RefusedTarget) throw invalid('webhookUrl', error.message);
    throw error;
  }
  throw invalid('webhookUrl', `must have at most ${maxUrlLength} characters, with its escapes`);
}

/** Two requests of one key take turns, so that both count the other's alert. */
async function assertRoom(tx: Transaction, keyId: string): Promise<void> {
  await tx.query(sql`select pg_advisory_xact_lock(hashtextextended('portfolio.alerts ' || ${keyId}::text, 0))`);
  const { rows } = await tx.query<{ count: number }>(
    sql`select count(*)::integer as count from portfolio.alerts where key_id = ${keyId}`,
  );
  if (rows[0]!.count >= maxAlerts)
    throw new Conflict(`A key has at most ${maxAlerts} alerts. Delete one first.`, { details: { limit: maxAlerts } });
}

async function observedBy(condition: Condition): Promise<{ tokenId: number | null; walletId: number | null }> {
  if (condition.kind === 'price') {
    const tokenId = await idOf(sql`select id from portfolio.tokens where key = ${condition.token}`);
    if (tokenId === undefined) throw invalid('condition.token', 'is not a known token');
    return { tokenId, walletId: null };
  }
  // an alert on what nobody observes would rest forever without a word
  const isTracked = condition.kind === 'lock_expiry' ? sql`true` : sql`is_tracked`;
  const walletId = await idOf(
    sql`select id from portfolio.wallets where address = ${toBytes(condition.wallet)} and ${isTracked}`,
  );
  if (walletId === undefined) throw invalid('condition.wallet', 'is not a tracked wallet');
  return { tokenId: null, walletId };
}

async function idOf(statement: Sql): Promise<number | undefined> {
  return (await query<{ id: number }>(statement, 'alerts'))[0]?.id;
}

function levelOf(condition: Condition): { direction: 'above' | 'below'; threshold: string | number } {
  switch (condition.kind) {
    case 'drawdown':
      return { direction: 'above', threshold: condition.percent };
    case 'lock_expiry':
      return { direction: 'below', threshold: condition.days };
    default:
      return { direction: condition.direction, threshold: condition.thresholdUsd };
  }
}

function invalid(field: string, message: string): InvalidInput {
  return new InvalidInput(`body.${field} ${message}.`, [{ field: `body.${field}`, message }]);
}
