/** Loads from the modeled hosts, the way `readProvably` loads from Postgres. */
import { type Evidence, type Fence, proofOf } from '../../shared/cache/proof.ts';
import { type CachedView, type Load, type Loaded, Unproven } from '../../shared/cache/view.ts';
import type { Primary } from './primary.ts';
import type { Scheduler } from './scheduler.ts';

export const entitiesOf = ({ entity, dependsOn }: CachedView) => [entity, ...dependsOn];

export interface Route {
  replica: number;
  stall: number;
}

/**
 * Loads of a view. The body lists the changes that the host showed. `routes` determine which replica is asked next, and
 * how long its rows take.
 */
export function createLoader(primary: Primary, { step }: Scheduler, routes: readonly Route[]) {
  let routed = 0;

  function ask(at: number, fences: readonly Fence[]): Evidence {
    const replica = primary.replica(at);
    const statuses = fences.flatMap(({ xids }) => xids).map((xid) => [xid, replica.status(xid)] as const);
    if (statuses.some(([, status]) => status === 'aborted')) throw new Unproven();
    const committed = statuses.filter(([, status]) => status === 'committed').map(([xid]) => xid);
    return { host: 'replica', inRecovery: true, snapshot: replica.snapshot(), committed: new Set(committed) };
  }

  async function fromReplica(view: CachedView, asked: number, proving?: readonly Fence[]): Promise<Loaded> {
    const read = asked;
    const evidence = proving && (await step(`asks replica ${asked} for the status`, () => ask(asked, proving)));
    if (evidence && !proofOf(evidence, proving)) throw new Unproven();
    return step(`reads from replica ${read}`, () => {
      const { snapshot, shown } = primary.replica(read);
      const body = JSON.stringify(shown(entitiesOf(view)));
      const own: Evidence = { host: 'replica', inRecovery: true, snapshot: snapshot() };
      return { evidence: evidence ? { ...own, committed: evidence.committed! } : own, status: 200, body };
    });
  }

  function fromWriter(view: CachedView): Promise<Loaded> {
    return step('reads from the writer', () => {
      const { snapshot, shown } = primary.writer;
      const evidence: Evidence = { host: 'writer', inRecovery: false, snapshot: snapshot() };
      return { evidence, status: 200, body: JSON.stringify(shown(entitiesOf(view))) };
    });
  }

  return (view: CachedView): Load =>
    async (source) => {
      const { replica, stall } = routes[routed++ % routes.length]!;
      const loaded = await (source.host === 'replica' ? fromReplica(view, replica, source.proving) : fromWriter(view));
      await step('has its rows', () => {}, { stall });
      return loaded;
    };
}
