/** The generation that Postgres holds, as the migration's functions keep it. */
import type { Generation, GenerationSource } from '../../shared/cache/generation.ts';
import { type Change, firstXid, type Primary } from './primary.ts';
import type { Scheduler } from './scheduler.ts';

/** Names begin with `room`. `onBegun` is called with each new generation. */
export function createSource(primary: Primary, { step }: Scheduler, room: string, onBegun: () => void) {
  let names = 1;
  let held: Generation = { current: `${room}g1`, previous: [], since: firstXid - 1 };
  let isVoid = false;
  let isLocked = false;
  const isReady = () => !isLocked;
  const arrives = () => step('has the answer', () => {});

  function empty(): void {
    isVoid = true;
  }

  /** The row is locked from here until the transaction commits; others go on reading what it was. */
  function beginNext(): Change | undefined {
    if (!isVoid) return undefined;
    isLocked = true;
    return primary.begin([]);
  }

  function commitNext(change: Change): void {
    primary.end(change, true);
    const previous = [held.current, ...held.previous.slice(0, 3)];
    held = { current: `${room}g${++names}`, previous, since: change.xid };
    isVoid = false;
    isLocked = false;
    onBegun();
  }

  const source: GenerationSource = {
    async ensure() {
      const change = await step('takes the generation up', beginNext, { isReady });
      if (change) await step('commits a new generation', () => commitNext(change));
      const taken = held;
      await arrives();
      return taken;
    },
    async peek() {
      const seen = await step('looks at the generation', () => held);
      await arrives();
      return seen;
    },
    async revoke() {
      await step('revokes the generation', empty, { isReady });
      await arrives();
    },
  };
  return {
    source,
    /** Those that a read may be in. */
    names: () => [held.current, ...held.previous],
    /** Makes it void before the first step. */
    empty,
  };
}
