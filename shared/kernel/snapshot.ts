/**
 * A Postgres snapshot, as `pg_current_snapshot()` prints it: `xmin:xmax:xip,xip,…`.
 *
 * Every transaction below `xmin` had ended; none at or above `xmax` had; those of `xip` were still running.
 */
export interface PgSnapshot {
  xmin: bigint;
  xmax: bigint;
  xip: readonly bigint[];
}

const snapshotText = /^(\d+):(\d+):((?:\d+(?:,\d+)*)?)$/;

/**
 * The snapshot in a text of `pg_current_snapshot()`, or undefined if the text is none.
 *
 * An empty `xip` makes `xmax := xmin`: a replica leaves `xip` empty although transactions between the two are running,
 * so there nothing from `xmin` on may count as seen. On the writer the rule changes nothing.
 */
export function parseSnapshot(text: string): PgSnapshot | undefined {
  const match = snapshotText.exec(text);
  if (!match) return undefined;
  const xmin = BigInt(match[1]!);
  const xip = match[3] === '' ? [] : match[3]!.split(',').map(BigInt);
  return { xmin, xmax: xip.length === 0 ? xmin : BigInt(match[2]!), xip };
}

/** Whether a read under the snapshot saw the changes of the transaction `xid`, provided that it committed. */
export function visible(xid: bigint, snapshot: PgSnapshot): boolean {
  return xid < snapshot.xmin || (xid < snapshot.xmax && !snapshot.xip.includes(xid));
}
