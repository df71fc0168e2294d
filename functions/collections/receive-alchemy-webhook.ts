import { commit } from '../../shared/changes/commit.ts';
import { upstreamSettings } from '../../shared/env.ts';
import { respond } from '../../shared/http/endpoint.ts';
import { log } from '../../shared/observability/log.ts';
import { secret } from '../../shared/secrets.ts';
import { alchemy } from '../upstreams/alchemy.ts';
import { operations } from './contract.ts';
import { lockCollections } from './record-collection.ts';
import { recordTransfers } from './record-transfers.ts';
import { revertTransfers } from './revert-transfers.ts';
import { parseActivity, verifySignature } from './sources/alchemy-webhook.ts';

/**
 * Receives NFT activity: stores transfers, and reverts those that a reorg removed. Safe to deliver again: known transfers
 * count as unchanged.
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
    const { recorded, removed, rejected } = parseActivity(body);
    if (rejected.length > 0) log.warn('malformed NFT activity skipped', { rejected: rejected.slice(0, 5) });
    const { stored, reverted } = await commit(async (tx) => {
      // all at once and in order, so that no two webhooks wait for each other
      await lockCollections(
        tx,
        [...removed, ...recorded].map(({ collection }) => collection),
      );
      return { reverted: await revertTransfers(tx, removed), stored: await recordTransfers(tx, recorded) };
    });
    return {
      applied: stored.applied,
      unchanged: stored.unchanged,
      reverted: reverted.applied,
      rejected: rejected.length,
    };
  },
);
