import { type PgSnapshot, visible } from '../kernel/snapshot.ts';

/**
 * The committed changes of an entity that a load must have seen: the transactions of its last 256 fences, and the
 * largest one that is no longer remembered (0 if there is none). In Redis it is the text `forgotten xid,xid,…`, which
 * starts with the xids as long as none is forgotten.
 */
export interface Fence {
  forgotten: number;
  xids: readonly number[];
}

/** What a host reported about itself, in the same statement or transaction as the rows. */
export interface Evidence {
  /** The endpoint it was reached through. */
  host: 'writer' | 'replica';
  /** The result of `pg_is_in_recovery()`. */
  inRecovery: boolean;
  /** The snapshot under which the rows were read. */
  snapshot: PgSnapshot;
  /** The connection pool it came through, so that a reader can ask for a new one instead. */
  via?: object;
  /** The transactions that it reported as committed before the rows were read, in a transaction that covers both. */
  committed?: ReadonlySet<number>;
}

/** What proved that a load has seen every fence: the primary (`writer`), the snapshot, or the transactions' status. */
export type Proof = 'writer' | 'snapshot' | 'status';

/**
 * The proof that a load has seen every change behind the fences, or undefined if there is none.
 *
 * The primary has seen every fence raised before it was asked, whatever transactions are open, provided that it is the
 * primary: not in recovery, and with every fence below the next transaction id of its own history. A replica must have
 * each transaction in its snapshot, or have reported it as committed before it read. Of the forgotten transactions only
 * the largest id is known, so every transaction up to that id must have ended.
 */
export function proofOf(
  { host, inRecovery, snapshot, committed }: Evidence,
  fences: readonly Fence[],
): Proof | undefined {
  if (host === 'writer') {
    const isBelow = (xid: number) => xid < snapshot.xmax;
    const isWriter = !inRecovery && fences.every(({ forgotten, xids }) => isBelow(forgotten) && xids.every(isBelow));
    return isWriter ? 'writer' : undefined;
  }
  let proof: Proof = 'snapshot';
  for (const { forgotten, xids } of fences) {
    if (forgotten >= snapshot.xmin) return undefined;
    for (const xid of xids) {
      if (visible(xid, snapshot)) continue;
      if (!committed?.has(xid)) return undefined;
      proof = 'status';
    }
  }
  return proof;
}

const fenceText = /^(?:(\d{1,16}) )?(\d{1,16}(?:,\d{1,16})*)$/;

/** The fence in a field's bytes. An absent field or garbage is an empty fence: that hash was lost. */
export function parseFence(bytes: Buffer | null | undefined): Fence {
  const match = bytes ? fenceText.exec(bytes.toString('latin1')) : null;
  if (!match) return { forgotten: 0, xids: [] };
  return { forgotten: Number(match[1] ?? 0), xids: match[2]!.split(',').map(Number) };
}
