/**
 * A Postgres snapshot, as `pg_current_snapshot()` prints it: `xmin:xmax:xip,xip,…`.
 *
 * Every transaction below `xmin` had ended; none at or above `xmax` had; those of `xip` were still running. The ids are
 * 64-bit without wraparound; a cluster that writes a million times a second passes 2^53 after 285 years.
 */
export interface PgSnapshot {
  xmin: number;
  xmax: number;
  xip: readonly number[];
}

const snapshotText = /^(\d{1,16}):(\d{1,16}):((?:\d{1,16}(?:,\d{1,16})*)?)$/;

/**
 * The snapshot in a text of `pg_current_snapshot()`, or undefined if the text is none.
 *
 * An empty `xip` makes `xmax := xmin`: a replica leaves `xip` empty although transactions between the two are running,
 * so there nothing from `xmin` on may count as seen. On the writer the rule changes nothing.
 */
export function parseSnapshot(text: string): PgSnapshot | undefined {
  const match = snapshotText.exec(text);
  if (!match) return undefined;
  const xmin = Number(match[1]);
  const xip = match[3] === '' ? [] : match[3]!.split(',').map(Number);
  return { xmin, xmax: xip.length === 0 ? xmin : Number(match[2]), xip };
}

/** Whether a read under the snapshot saw the changes of the transaction `xid`, provided that it committed. */
export function visible(xid: number, snapshot: PgSnapshot): boolean {
  return xid < snapshot.xmin || (xid < snapshot.xmax && !snapshot.xip.includes(xid));
}
