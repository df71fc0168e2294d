/**
 * A Postgres snapshot, as `pg_current_snapshot()` prints it: `xmin:xmax:xip,xip,…`.
 *
 * Every transaction below `xmin` had ended; none at or above `xmax` had; those in `xip` were still running. The ids are
 * 64-bit without wraparound; a cluster that writes a million times a second passes 2^53 after 285 years.
 */
export interface PgSnapshot {
  xmin: number;
  xmax: number;
  xip: readonly number[];
}

const snapshotText = /^(\d{1,16}):(\d{1,16}):((?:\d{1,16}(?:,\d{1,16})*)?)$/;

/** The snapshot in the text of `pg_current_snapshot()`, or undefined if the text is not one. */
export function parseSnapshot(text: string): PgSnapshot | undefined {
  const match = snapshotText.exec(text);
  if (!match) return undefined;
  const xip = match[3] === '' ? [] : match[3]!.split(',').map(Number);
  return { xmin: Number(match[1]), xmax: Number(match[2]), xip };
}

/**
 * Whether a read under the snapshot saw the changes of the transaction `xid`, provided that it committed.
 *
 * An empty `xip` counts as `xmax = xmin`: a replica leaves `xip` empty although transactions between the two are
 * running, so nothing from `xmin` on is known to be visible there. On the writer the rule changes nothing.
 */
export function visible(xid: number, { xmin, xmax, xip }: PgSnapshot): boolean {
  if (xid < xmin) return true;
  return xip.length > 0 && xid < xmax && !xip.includes(xid);
}
