/**
 * A model of a primary and its replicas, limited to snapshots. Transaction ids are assigned in order, transactions end
 * in any order, and each replica has applied a prefix of the log.
 */
import type { PgSnapshot } from '../../shared/kernel/snapshot.ts';

export interface Change {
  xid: number;
  entities: readonly string[];
}

export type Status = 'committed' | 'aborted' | 'in progress' | undefined;

/** Lower ids were used and applied everywhere before the schedule begins. */
export const firstXid = 10;
export const replicaCount = 2;

export function createPrimary() {
  let nextXid = firstXid;
  /** Ended transactions, in the order in which they ended. */
  const log: { change: Change; isCommitted: boolean }[] = [];
  const applied = Array.from({ length: replicaCount }, () => 0);

  const endedIn = (length: number) => new Set(log.slice(0, length).map(({ change }) => change.xid));

  /** The snapshot of a server that has applied `length` log entries. Only the primary's lists running transactions. */
  function snapshotAt(length: number, isReplica: boolean): PgSnapshot {
    const ended = endedIn(length);
    const xmax = Math.max(firstXid - 1, ...ended) + 1;
    const running: number[] = [];
    for (let xid = firstXid; xid < xmax; xid++) if (!ended.has(xid)) running.push(xid);
    // a standby leaves `xip` empty whatever is running
    return { xmin: running[0] ?? xmax, xmax, xip: isReplica ? [] : running };
  }

  const shownAt = (length: number, entities: readonly string[]) =>
    log
      .slice(0, length)
      .filter(({ change, isCommitted }) => isCommitted && change.entities.some((one) => entities.includes(one)))
      .map(({ change }) => change.xid);

  return {
    begin: (entities: readonly string[]): Change => ({ xid: nextXid++, entities }),
    end(change: Change, isCommitted: boolean): void {
      log.push({ change, isCommitted });
    },
    committed: () => log.filter(({ isCommitted }) => isCommitted).map(({ change }) => change),
    /** Applies the next log entry on a replica. */
    apply(replica: number): void {
      applied[replica]!++;
    },
    hasMore: (replica: number) => applied[replica]! < log.length,
    isEverywhere: ({ xid }: Change) => applied.every((length) => endedIn(length).has(xid)),
    writer: {
      snapshot: () => snapshotAt(log.length, false),
      shown: (entities: readonly string[]) => shownAt(log.length, entities),
    },
    replica: (at: number) => ({
      snapshot: () => snapshotAt(applied[at]!, true),
      shown: (entities: readonly string[]) => shownAt(applied[at]!, entities),
      /** `pg_xact_status` below the snapshot's `xmax`. */
      status(xid: number): Status {
        if (xid < firstXid) return 'committed';
        if (xid >= snapshotAt(applied[at]!, true).xmax) return undefined;
        const ended = log.slice(0, applied[at]!).find(({ change }) => change.xid === xid);
        if (!ended) return 'in progress';
        return ended.isCommitted ? 'committed' : 'aborted';
      },
    }),
  };
}

export type Primary = ReturnType<typeof createPrimary>;
