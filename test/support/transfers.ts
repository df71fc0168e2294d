/** Addresses and transfers for tests of the collections domain. */
import type { TransferRecord } from '../../functions/collections/record-transfers.ts';
import { zeroAddress } from '../../shared/kernel/address.ts';

/** An address that repeats one byte. */
export const address = (byte: string) => `0x${byte.repeat(20)}`;

/** The address of wallet n. Addresses sort by their numbers. */
export const wallet = (n: number) => `0x${n.toString(16).padStart(40, '0')}`;

export const hash = (n: number) => `0x${n.toString(16).padStart(64, '0')}`;

let transfers = 0;

/** A transfer of one token in a new block after all earlier ones. A mint, unless `from` is given. */
export function transfer(
  collection: string,
  tokenId: string,
  to: string,
  more: Partial<TransferRecord> = {},
): TransferRecord {
  const n = ++transfers;
  const position = { blockNumber: 100 + n, logIndex: 0, transactionHash: hash(n) };
  return { collection, tokenId, from: zeroAddress, to, ...position, ...more };
}
