/**
 * What the cache owes: for each entity, the changes that every read must show from now on.
 *
 * A change is owed once a raise of its fence was acknowledged. If Redis then loses the hash or the write, the change
 * may be missing again until its second delivery, but never after that. A second after a clear was acknowledged,
 * everything committed before the clear is owed, for every entity.
 */
import type { Outcome } from '../../shared/cache/entry.ts';
import type { CachedView } from '../../shared/cache/view.ts';
import { entitiesOf } from './loader.ts';
import type { Change } from './primary.ts';

export type Delivery = 'direct' | 'first' | 'second';

/** A read in progress: the changes that it must show, with the entities they are owed for. */
export interface Owed {
  debts: Map<string, number>;
  /** Changes whose fence was ever raised. Some may be missing temporarily. */
  raised: readonly number[];
}

interface Clear {
  from: number;
  changes: readonly Change[];
}

/** What was owed when Redis' replica fell behind. */
export interface Kept {
  debts: ReadonlySet<string>;
  clears: readonly Clear[];
}

/** Used in place of an entity. */
const clearedBy = '(clear)';

const debtOf = (entity: string, xid: number) => `${entity} ${xid}`;

export function createLedger(now: () => number) {
  const debts = new Map<string, number>();
  const raised = new Map<string, number>();
  const settled = new Set<number>();
  const losses = new Map<string, number>();
  const reading = new Set<Owed>();
  let clears: readonly Clear[] = [];
  let lostClears: readonly Clear[] = [];
  let kept: Kept | undefined;
  let secondDeliveries = 0;
  let failovers = 0;

  const lossesOf = (entity: string) => losses.get(entity) ?? 0;

  function forget(isLost: (debt: string, xid: number) => boolean): void {
    for (const owed of [{ debts }, ...reading])
      for (const [debt, xid] of owed.debts) if (!settled.has(xid) && isLost(debt, xid)) owed.debts.delete(debt);
  }

  return {
    /** Runs a raise. Its changes are owed from then on, unless they were lost in the meantime. */
    async raising({ entities, xid }: Change, delivery: Delivery, raise: () => Promise<void>): Promise<void> {
      const before = entities.map(lossesOf);
      const isSecond = delivery === 'second';
      // a second delivery is minutes after the first, so a loss of Redis' last writes never covers both
      if (isSecond) kept = undefined;
      secondDeliveries += isSecond ? 1 : 0;
      await raise().finally(() => {
        secondDeliveries -= isSecond ? 1 : 0;
      });
      if (isSecond) settled.add(xid);
      for (const [i, entity] of entities.entries()) {
        raised.set(debtOf(entity, xid), xid);
        if (isSecond || lossesOf(entity) === before[i]) debts.set(debtOf(entity, xid), xid);
      }
    },
    /** A clear that began after these changes were committed was acknowledged. */
    cleared(changes: readonly Change[], afterMs: number): void {
      clears = [...clears, { from: now() + afterMs, changes }];
    },
    /** The hash of an entity is gone. */
    lost(entity: string): void {
      losses.set(entity, lossesOf(entity) + 1);
      forget((debt) => debt.startsWith(`${entity} `));
    },
    /** Everything written from now on may be lost, as long as `isKept` is true for the returned value. */
    keep(): Kept {
      kept = { debts: new Set(debts.keys()), clears };
      return kept;
    },
    canKeep: () => secondDeliveries === 0,
    isKept: (one: Kept) => kept === one,
    /** Redis has lost everything written since `keep`. */
    fellBack(entities: readonly string[]): void {
      for (const entity of entities) losses.set(entity, lossesOf(entity) + 1);
      forget((debt) => !kept!.debts.has(debt));
      lostClears = clears.filter((one) => !kept!.clears.includes(one));
      clears = kept!.clears;
      kept = undefined;
      failovers++;
    },
    /** Ten seconds after `fellBack`: Redis' copy of the generation has expired, and lost clears are owed again. */
    recovered(): void {
      clears = [...clears, ...lostClears.map((one) => ({ ...one, from: now() }))];
      lostClears = [];
      failovers--;
    },
    /** A second delivery comes minutes after any failover of Redis. */
    canDeliverAgain: () => failovers === 0,
    /** What a read owes. Shrinks during the read if something is lost. */
    beginRead(view: CachedView): Owed {
      const entities = entitiesOf(view);
      const concerns = ([debt]: readonly [string, number]) => entities.some((entity) => debt.startsWith(`${entity} `));
      const owed = {
        debts: new Map([...debts].filter(concerns)),
        raised: [...raised].filter(concerns).map(([, xid]) => xid),
      };
      for (const { from, changes } of clears)
        for (const { xid, entities: changed } of changes)
          if (now() >= from && changed.some((entity) => entities.includes(entity)))
            owed.debts.set(debtOf(clearedBy, xid), xid);
      reading.add(owed);
      return owed;
    },
    /**
     * The changes that a read owes but does not show, and whether it misses one that may be missing for now. A stale
     * answer may be older than a clear, since Postgres could not confirm its generation.
     */
    settle(owed: Owed, shown: readonly number[], outcome: Outcome): { missing: number[]; isBehind: boolean } {
      reading.delete(owed);
      const isMissing = (xid: number) => !shown.includes(xid);
      const counts = ([debt]: readonly [string, number]) =>
        outcome !== 'bypass' && !(outcome === 'stale' && debt.startsWith(clearedBy));
      const due = [...owed.debts].filter(counts).map(([, xid]) => xid);
      return { missing: [...new Set(due)].filter(isMissing), isBehind: owed.raised.some(isMissing) };
    },
  };
}

export type Ledger = ReturnType<typeof createLedger>;
