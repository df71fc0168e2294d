import { commit } from '../../shared/changes/commit.ts';
import { findRefused, isRefusal } from '../../shared/db/refused-rows.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { upstreamSettings } from '../../shared/env.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { digestOf, type Failure, quarantine } from '../../shared/jobs/quarantine.ts';
import { secret } from '../../shared/secrets.ts';
import { alchemy } from '../upstreams/alchemy.ts';
import { operations } from './contract.ts';
import { lockCollections } from './record-collection.ts';
import { recordTransfers } from './record-transfers.ts';
import { revertTransfers } from './revert-transfers.ts';
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

interface Rejected {
  row: unknown;
  reason: string;
}

type Stored = Awaited<ReturnType<typeof write>> & { refused: Rejected[] };

/** Stores all at once, or if a table refuses something, each collection by itself, without what is refused. */
async function apply(activity: NftActivity): Promise<Stored> {
  try {
    return { ...(await commit((tx) => write(tx, activity))), refused: [] };
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const all: Stored = { reverted: { applied: 0, unchanged: 0 }, stored: { applied: 0, unchanged: 0 }, refused: [] };
    for (const part of byCollection(activity)) {
      const { reverted, stored, refused } = await applyPart(part);
      all.reverted.applied += reverted.applied;
      all.stored.applied += stored.applied;
      all.stored.unchanged += stored.unchanged;
      all.refused.push(...refused);
    }
    return all;
  }
}

type Part = Pick<NftActivity, 'recorded' | 'removed'>;

function byCollection({ recorded, removed }: Part): Part[] {
  const names = new Set([...recorded, ...removed].map(({ collection }) => collection));
  return [...names].map((name) => ({
    recorded: recorded.filter(({ collection }) => collection === name),
    removed: removed.filter(({ collection }) => collection === name),
  }));
}

async function applyPart(part: Part): Promise<Stored> {
  try {
    return { ...(await commit((tx) => write(tx, part))), refused: [] };
  } catch (error) {
    if (!isRefusal(error)) throw error;
    const found = await findRefused(part.recorded, recordTransfers);
    // fine one by one, but not together: none of this collection's
    const reason = 'does not fit the tables together with the others of its collection';
    const refused = found.size > 0 ? found : new Map(part.recorded.map((row) => [row, reason]));
    const recorded = part.recorded.filter((one) => !refused.has(one));
    const kept = await commit((tx) => write(tx, { ...part, recorded }));
    return { ...kept, refused: [...refused].map(([row, why]) => ({ row, reason: why })) };
  }
}

async function write(tx: Transaction, { recorded, removed }: Part) {
  // all at once and in order, so that no two webhooks wait for each other
  await lockCollections(
    tx,
    [...removed, ...recorded].map(({ collection }) => collection),
  );
  return { reverted: await revertTransfers(tx, removed), stored: await recordTransfers(tx, recorded) };
}

const toFailure = ({ row, reason }: Rejected): Failure => ({ unit: digestOf(row), reason, data: row });
