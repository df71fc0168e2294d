/**
 * A Postgres snapshot, as `pg_current_snapshot()` prints it: `xmin:xmax:xip,xip,…`.
 *
 * Every transaction below `xmin` had ended, none at or above `xmax` had, and those in `xip` were still running. The ids
 * are 64-bit and never wrap around; at a million writes per second, a cluster takes 285 years to exceed 2^53.
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
 * Whether a read under the snapshot saw the changes of transaction `xid`, assuming that it committed.
 *
 * An empty `xip` counts as `xmax = xmin`: a replica leaves `xip` empty even if transactions between the two are
 * running, so nothing from `xmin` on is known to be visible there. On the primary the rule makes no difference.
 */
export function visible(xid: number, { xmin, xmax, xip }: PgSnapshot): boolean {
  if (xid < xmin) return true;
  return xip.length > 0 && xid < xmax && !xip.includes(xid);
}
