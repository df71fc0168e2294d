/** Alchemy's webhooks, signed as it signs them. */
import { createHmac, randomUUID } from 'node:crypto';
import { alchemy } from '../../functions/upstreams/alchemy.ts';
import type { Call, Reply } from './api.ts';
import { hash, wallet } from './transfers.ts';
import { testCredentials } from './upstreams.ts';

/** Posts NFT activity to the API. */
export function deliver(
  call: (target: string, call: Call) => Promise<Reply>,
  activity: readonly unknown[],
  createdAt = new Date(),
): Promise<Reply> {
  const rawBody = JSON.stringify({
    webhookId: 'wh',
    id: `whevt_${randomUUID()}`,
    createdAt: createdAt.toISOString(),
    type: 'NFT_ACTIVITY',
    event: { network: 'ETH_MAINNET', activity },
  });
  const { webhookSigningKey } = testCredentials(alchemy);
  const signature = createHmac('sha256', webhookSigningKey).update(rawBody).digest('hex');
  return call('/v1/webhooks/alchemy', { method: 'POST', rawBody, headers: { 'x-alchemy-signature': signature } });
}

let logs = 0x10_0000;

/**
 * A transfer from wallet 1 to wallet 2 as a webhook reports it, in a transaction and a block of its own.
 *
 * @param tokens  the id of an ERC-721 token, or the tokens of an ERC-1155 batch, in hex
 */
export function activity(
  contract: string,
  tokens: string | readonly { tokenId: string; value: string }[],
  extra: object = {},
  log: object = {},
) {
  const own = hash(++logs);
  return {
    fromAddress: wallet(1),
    toAddress: wallet(2),
    contractAddress: contract,
    blockNum: '0x1e8480',
    hash: own,
    ...(typeof tokens === 'string' ? { erc721TokenId: tokens } : { erc1155Metadata: tokens }),
    ...extra,
    log: { transactionHash: own, blockHash: own, logIndex: '0x1', blockNumber: '0x1e8480', removed: false, ...log },
  };
}
