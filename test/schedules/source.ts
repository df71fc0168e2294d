/** A model of the generation in Postgres and the migration's functions for it. */
import type { Generation, GenerationSource } from '../../shared/cache/generation.ts';
import { type Change, firstXid, type Primary } from './primary.ts';
import type { Scheduler } from './scheduler.ts';

/** Generation names begin with `keyPrefix`. `onBegun` is called for each new generation. */
export function createSource(primary: Primary, { step }: Scheduler, keyPrefix: string, onBegun: () => void) {
  let names = 1;
  let generation: Generation = { current: `${keyPrefix}g1`, previous: [], since: firstXid - 1 };
  let isVoid = false;
  let isLocked = false;
  const isReady = () => !isLocked;
  const arrives = () => step('has the answer', () => {});

  function makeVoid(): void {
    isVoid = true;
  }

  /** The row is locked from here until the transaction commits; others still read the old version. */
  function beginNext(): Change | undefined {
    if (!isVoid) return undefined;
    isLocked = true;
    return primary.begin([]);
  }

  function commitNext(change: Change): void {
    primary.end(change, true);
    const previous = [generation.current, ...generation.previous.slice(0, 3)];
    generation = { current: `${keyPrefix}g${++names}`, previous, since: change.xid };
    isVoid = false;
    isLocked = false;
    onBegun();
  }

  const source: GenerationSource = {
    async ensure() {
      const change = await step('ensures the generation', beginNext, { isReady });
      if (change) await step('commits a new generation', () => commitNext(change));
      const ensured = generation;
      await arrives();
      return ensured;
    },
    async peek() {
      const seen = await step('reads the generation', () => generation);
      await arrives();
      return seen;
    },
    async revoke() {
      await step('revokes the generation', makeVoid, { isReady });
      await arrives();
    },
  };
  return {
    source,
    /** Those that a read may still use. */
    names: () => [generation.current, ...generation.previous],
    /** Marks it as void before the first step. */
    makeVoid,
  };
}
