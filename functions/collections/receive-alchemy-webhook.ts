import { createHash } from 'node:crypto';
import { commit } from '../../shared/changes/commit.ts';
import { toJsonb } from '../../shared/db/json.ts';
import { findRefused, isRefusal } from '../../shared/db/refused-rows.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { upstreamSettings } from '../../shared/env.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { type Failure, quarantine } from '../../shared/jobs/quarantine.ts';
import { secret } from '../../shared/secrets.ts';
import { alchemy } from '../upstreams/alchemy.ts';
import { operations } from './contract.ts';
import { lockCollections } from './record-collection.ts';
import { recordTransfers, type TransferRecord } from './record-transfers.ts';
import { type RemovalRecord, revertTransfers } from './revert-transfers.ts';
import { type NftActivity, parseActivity, verifySignature } from './sources/alchemy-webhook.ts';

const source = `collections.${operations.receiveAlchemyWebhook.operationId}`;

/**
 * Receives NFT activity: stores transfers, and reverts those that a reorg removed. Safe to deliver again: known transfers
 * count as unchanged. What is malformed, or does not fit the tables, is quarantined; the others are stored without it.
 *
 * @throws Unauthorized  the signature does not match the raw body; nothing is stored
 * @throws InvalidInput  the body is not NFT activity
 * @source Alchemy Notify, NFT_ACTIVITY
 */
export const receiveAlchemyWebhook = respond(
  operations.receiveAlchemyWebhook,
  async ({ body }, { rawBody, headers }) => {
    const { webhookSigningKey } = await secret(upstreamSettings(alchemy).secretArn, alchemy.secret);
    verifySignature(rawBody, headers['x-alchemy-signature'], webhookSigningKey);
    const activity = parseActivity(body);
    const { stored, reverted, refused } = await apply(activity);
    const rejected = [...activity.rejected, ...refused];
    await quarantine(source, null, rejected.map(toFailure));
    return {
      applied: stored.applied,
      unchanged: stored.unchanged,
      reverted: reverted.applied,
      rejected: rejected.length,
    };
  },
);

async function apply({ recorded, removed }: NftActivity) {
  try {
    return { ...(await commit((tx) => write(tx, removed, recorded))), refused: [] };
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const refused = await findRefused(recorded, recordTransfers);
    if (refused.size === 0) throw error;
    const others = recorded.filter((one) => !refused.has(one));
    return {
      ...(await commit((tx) => write(tx, removed, others))),
      refused: [...refused].map(([row, reason]) => ({ row, reason })),
    };
  }
}

async function write(tx: Transaction, removed: readonly RemovalRecord[], recorded: readonly TransferRecord[]) {
  // all at once and in order, so that no two webhooks wait for each other
  await lockCollections(
    tx,
    [...removed, ...recorded].map(({ collection }) => collection),
  );
  return { reverted: await revertTransfers(tx, removed), stored: await recordTransfers(tx, recorded) };
}

/** Named by what it is: the same log is the same unit when it is delivered again. */
function toFailure({ row, reason }: { row: unknown; reason: string }): Failure {
  const digest = createHash('sha256').update(toJsonb(row)).digest('hex');
  return { unit: `activity ${digest.slice(0, 16)}`, reason, data: row };
}
