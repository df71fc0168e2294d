/**
 * What the cache owes: for each entity, the changes that a read has to show from now on.
 *
 * A change is owed once a raise of its fence was acknowledged. If Redis then loses the hash, or the write, the change
 * may be missing again until it is delivered once more; after its second delivery it never may. A clear that was
 * acknowledged owes everything committed before it, for every entity, from a second later.
 */
import type { CachedView, Outcome } from '../../shared/cache/view.ts';
import { entitiesOf } from './loader.ts';
import type { Change } from './primary.ts';

export type Delivery = 'direct' | 'first' | 'second';

/** A read that is under way: the changes that it has to show, with the entities they are owed for. */
export interface Owed {
  debts: Map<string, number>;
  /** Those whose fence was ever raised: some may be missing for a while. */
  raised: readonly number[];
}

interface Clear {
  from: number;
  changes: readonly Change[];
}

/** What was owed when Redis' replica stopped following. */
export interface Kept {
  debts: ReadonlySet<string>;
  clears: readonly Clear[];
}

/** In the place of an entity. */
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
  let secondsUnderWay = 0;
  let fallen = 0;

  const lossesOf = (entity: string) => losses.get(entity) ?? 0;

  function forget(isLost: (debt: string, xid: number) => boolean): void {
    for (const owed of [{ debts }, ...reading])
      for (const [debt, xid] of owed.debts) if (!settled.has(xid) && isLost(debt, xid)) owed.debts.delete(debt);
  }

  return {
    /** Runs a raise; what it raised is owed from then on, unless it was lost meanwhile. */
    async raising({ entities, xid }: Change, delivery: Delivery, raise: () => Promise<void>): Promise<void> {
      const before = entities.map(lossesOf);
      const isSecond = delivery === 'second';
      // a second delivery is minutes after the first: what Redis loses of its last writes never reaches from one to the other
      if (isSecond) kept = undefined;
      secondsUnderWay += isSecond ? 1 : 0;
      await raise().finally(() => {
        secondsUnderWay -= isSecond ? 1 : 0;
      });
      if (isSecond) settled.add(xid);
      for (const [i, entity] of entities.entries()) {
        raised.set(debtOf(entity, xid), xid);
        if (isSecond || lossesOf(entity) === before[i]) debts.set(debtOf(entity, xid), xid);
      }
    },
    /** A clear was acknowledged that began after these changes were committed. */
    cleared(changes: readonly Change[], afterMs: number): void {
      clears = [...clears, { from: now() + afterMs, changes }];
    },
    /** The hash of an entity is gone. */
    lost(entity: string): void {
      losses.set(entity, lossesOf(entity) + 1);
      forget((debt) => debt.startsWith(`${entity} `));
    },
    /** Everything written from here on may be lost, while `isKept` holds for what this returns. */
    keep(): Kept {
      kept = { debts: new Set(debts.keys()), clears };
      return kept;
    },
    canKeep: () => secondsUnderWay === 0,
    isKept: (one: Kept) => kept === one,
    /** Redis is again what it was. */
    fellBack(entities: readonly string[]): void {
      for (const entity of entities) losses.set(entity, lossesOf(entity) + 1);
      forget((debt) => !kept!.debts.has(debt));
      lostClears = clears.filter((one) => !kept!.clears.includes(one));
      clears = kept!.clears;
      kept = undefined;
      fallen++;
    },
    /** Ten seconds after that: Redis' copy of the generation has ended, and a clear that it had lost is owed again. */
    recovered(): void {
      clears = [...clears, ...lostClears.map((one) => ({ ...one, from: now() }))];
      lostClears = [];
      fallen--;
    },
    /** A second delivery is minutes after whatever happened to Redis. */
    canDeliverAgain: () => fallen === 0,
    /** Before a read; what it owes shrinks while it is under way, if something is lost. */
    readBegins(view: CachedView): Owed {
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
     * The changes that a read owes and does not show, and whether it misses one that it may miss for now. A stale answer
     * is one that Postgres could not confirm the generation of: it may be older than a clear.
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
