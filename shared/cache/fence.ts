import { type PgSnapshot, visible } from '../kernel/snapshot.ts';

/**
 * The fence of an entity: the transactions that changed it. Kept as the text `nonce floor xid,xid,…` in the field
 * `~fence` of the entity's hash.
 *
 * It is a small set and not a maximum, since a smaller xid can commit later. Past 64 the smallest moves into `floor`, and
 * an entry must then have seen everything up to it. The nonce is new with each hash: a load that began under another
 * hash, since evicted, is not stored.
 */
export interface Fence {
  nonce: string;
  floor: number;
  xids: readonly number[];
}

/** The field of an entity's hash that its fence stands in. */
export const fenceField = '~fence';
/** Transactions that a fence names before the smallest moves into its floor. */
export const fenceLimit = 64;

/** The fence in a field's bytes; undefined if they are none. */
export function parseFence(bytes: Buffer | null | undefined): Fence | undefined {
  if (!bytes) return undefined;
  const text = bytes.toString('latin1');
  const floorEnds = text.indexOf(' ', 9);
  if (text[8] !== ' ' || floorEnds < 0) return undefined;
  const xids =
    floorEnds === text.length - 1
      ? []
      : text
          .slice(floorEnds + 1)
          .split(',')
          .map(Number);
  const fence = { nonce: text.slice(0, 8), floor: Number(text.slice(9, floorEnds)), xids };
  return Number.isSafeInteger(fence.floor) && xids.every(Number.isSafeInteger) ? fence : undefined;
}

/** Whether a read under the snapshot saw every change that the fence stands for. */
export function passes(snapshot: PgSnapshot, fence: Fence): boolean {
  return fence.floor < snapshot.xmin && fence.xids.every((xid) => visible(xid, snapshot));
}
