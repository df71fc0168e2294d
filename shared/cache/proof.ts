import { type PgSnapshot, visible } from '../kernel/snapshot.ts';

/**
 * The committed changes of an entity that a load has to have seen: the transactions of its last 256 fences, and the
 * largest one that is no longer remembered (0 if there is none). In Redis it is the text `forgotten xid,xid,…`, without
 * the first number while there is none.
 */
export interface Fence {
  forgotten: number;
  xids: readonly number[];
}

/** What the host that answered said of itself, in the same statement or transaction as the rows. */
export interface Evidence {
  /** Which endpoint it was asked through. */
  host: 'writer' | 'replica';
  /** What `pg_is_in_recovery()` said. */
  inRecovery: boolean;
  /** The snapshot the rows were read under. */
  snapshot: PgSnapshot;
  /** The connections it came through, so that a reader can ask for others instead. */
  via?: object;
  /** The transactions it called committed before the rows were read, in a transaction that covers both. */
  committed?: ReadonlySet<number>;
}

/** What showed that a load has seen every fence: 1 the writer, 2 the snapshot, 3 the status of the transactions. */
export type Proof = 'writer' | 'snapshot' | 'status';

/**
 * The proof that a load has seen every change behind the fences, or undefined if there is none.
 *
 * The writer has seen every fence raised before it was asked, whatever transactions are open, provided that it is the
 * writer: not in recovery, and with every fence below the next transaction id of its own history. A replica has to have
 * each transaction in its snapshot, or has called it committed before it read; of what is forgotten only the largest id
 * is known, so every transaction up to that one must have ended.
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

/** The fence in a field's bytes; an empty one in an absent field, or in garbage: that hash was lost. */
export function parseFence(bytes: Buffer | null | undefined): Fence {
  const match = bytes ? fenceText.exec(bytes.toString('latin1')) : null;
  if (!match) return { forgotten: 0, xids: [] };
  return { forgotten: Number(match[1] ?? 0), xids: match[2]!.split(',').map(Number) };
}
