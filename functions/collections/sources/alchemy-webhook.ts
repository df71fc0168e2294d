/** Alchemy's NFT activity webhook: verifies the signature over the raw body, and parses the activity. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import * as z from 'zod';
import { address, transactionHash } from '../../../shared/kernel/address.ts';
import { InvalidInput, Unauthorized } from '../../../shared/kernel/errors.ts';
import type { TransferRecord } from '../record-transfers.ts';
import type { RemovalRecord } from '../revert-transfers.ts';
import { erc1155Metadata, hexNumber, logIndex, wholeNumber } from './alchemy-fields.ts';

export interface NftActivity {
  recorded: TransferRecord[];
  /** Logs that a reorg removed. */
  removed: RemovalRecord[];
  rejected: { reason: string; row: unknown }[];
}

export const activity = z
  .object({
    fromAddress: address,
    toAddress: address,
    contractAddress: address,
    blockNum: hexNumber.nullish(),
    blockNumber: hexNumber.nullish(),
    erc721TokenId: wholeNumber.nullish(),
    erc1155Metadata,
    log: z.object({
      transactionHash,
      blockHash: transactionHash,
      logIndex: hexNumber.pipe(logIndex),
      blockNumber: hexNumber.nullish(),
      removed: z.boolean().nullish(),
    }),
  })
  .transform((one, context) => {
    const block = one.log.blockNumber ?? one.blockNum ?? one.blockNumber;
    if (block != null) return { ...one, block };
    context.addIssue('must have a block number');
    return z.NEVER;
  });

const webhook = z.object({
  id: z.string(),
  type: z.string(),
  // a report from the future would outdate all later ones
  createdAt: z.iso.datetime({ offset: true }).transform((text) => new Date(Math.min(Date.parse(text), Date.now()))),
  event: z.union([z.object({ activity: z.array(z.unknown()).max(5_000) }), z.object({ error: z.string() })]),
});

/**
 * Compares the hex HMAC-SHA256 of the raw body with the signature, in constant time.
 *
 * @throws Unauthorized  the signature is missing or does not match
 */
export function verifySignature(rawBody: Buffer, signature: string | undefined, signingKey: string): void {
  const expected = createHmac('sha256', signingKey).update(rawBody).digest();
  const actual = Buffer.from(/^[0-9a-f]{64}$/i.test(signature ?? '') ? signature! : '', 'hex');
  if (actual.length !== expected.length || !timingSafeEqual(actual, expected)) {
    throw new Unauthorized('The signature does not match the body. Check the signing key of the webhook.');
  }
}

/**
 * The transfers and removals in a webhook's body. Alchemy's notice of a reached capacity limit has none.
 *
 * @throws InvalidInput  the body is not NFT activity
 */
export function parseActivity(body: unknown): NftActivity {
  const parsed = webhook.safeParse(body);
  if (!parsed.success || parsed.data.type !== 'NFT_ACTIVITY') {
    throw new InvalidInput('The body is not NFT activity. Send webhooks of type NFT_ACTIVITY.', [
      { field: 'body', message: 'must be NFT activity' },
    ]);
  }
  const found: NftActivity = { recorded: [], removed: [], rejected: [] };
  const { event, createdAt } = parsed.data;
  for (const raw of 'activity' in event ? event.activity : []) {
    const one = activity.safeParse(raw);
    if (!one.success) found.rejected.push({ reason: one.error.issues[0]?.message ?? 'is malformed', row: raw });
    else if (one.data.log.removed) found.removed.push(toRemoval(one.data, createdAt));
    else found.recorded.push(...toTransfers(one.data, createdAt));
  }
  return found;
}

type Activity = z.output<typeof activity>;

function toRemoval(one: Activity, reportedAt: Date): RemovalRecord {
  const { transactionHash, logIndex, blockHash } = one.log;
  return {
    collection: one.contractAddress,
    transactionHash,
    logIndex,
    blockHash,
    blockNumber: one.block,
    reportedAt,
  };
}

function toTransfers(one: Activity, reportedAt: Date): TransferRecord[] {
  const common = {
    collection: one.contractAddress,
    blockNumber: one.block,
    blockHash: one.log.blockHash,
    reportedAt,
    logIndex: one.log.logIndex,
    transactionHash: one.log.transactionHash,
    from: one.fromAddress,
    to: one.toAddress,
  };
  if (one.erc1155Metadata) {
    return one.erc1155Metadata.map(({ tokenId, value }, batchIndex) => ({
      ...common,
      tokenId,
      tokenType: 'ERC1155' as const,
      batchIndex,
      amount: value,
    }));
  }
  return one.erc721TokenId == null ? [] : [{ ...common, tokenId: one.erc721TokenId }];
}
