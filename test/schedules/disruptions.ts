/** Disruptions of Redis and of the generation, and the passing of time. */
import type { World } from './explore.ts';
import { type Disruption, entities } from './schedule.ts';

/** After this time a container checks the generation again. */
const recheckMs = 1_000;
const copyTtlMs = 10_000;

/** Starts the actor of a disruption. */
export function startDisruption(world: World, one: Disruption): void {
  const { scheduler, tally } = world;
  const script = async () => {
    await scheduler.step('is due', () => {}, { stall: one.stalls[0] });
    await happen(world, one);
  };
  scheduler.spawn(one.kind, script, tally.fail);
}

async function happen(world: World, one: Disruption): Promise<void> {
  const { scheduler } = world;
  switch (one.kind) {
    case 'eviction':
      return scheduler.step(`evicts ${one.entity}`, () => evict(world, one.entity));
    case 'failover':
      return failOver(world, one.stalls[1]);
    case 'clear':
      return clear(world, one.container);
    case 'a second':
      return scheduler.step('passes', () => secondPasses(world));
    case 'ten seconds':
      return scheduler.step('pass', () => tenSecondsPass(world));
    case 'broken connection':
      return scheduler.step(`of container ${one.container}`, () => breakConnection(world, one.container));
  }
}

async function evict({ generation, server, ledger, tally }: World, entity: string): Promise<void> {
  const hashes = generation.names().map((name) => `${name}:{${entity}}`);
  if ((await server.remove((key) => hashes.includes(key))) > 0) tally.count('eviction');
  ledger.lost(entity);
}

/** Redis loses what it wrote between two steps. Ten seconds later, its old copy of the generation has expired. */
async function failOver(world: World, stall: number): Promise<void> {
  const { scheduler, server, ledger, tally } = world;
  const fallBehind = async () => ({ kept: ledger.keep(), copy: await server.copy() });
  for (;;) {
    const { kept, copy } = await scheduler.step('falls behind', fallBehind, { isReady: ledger.canKeep });
    const promote = async () => {
      if (!ledger.isKept(kept)) return false;
      ledger.fellBack(entities);
      await server.restore(copy);
      tally.count('failover');
      return true;
    };
    if (await scheduler.step('loses its last writes', promote, { stall })) break;
  }
  await scheduler.step('is ten seconds ago', () => tenSecondsPass(world), { stall: 20 });
  ledger.recovered();
}

/** Clears everything, as an operator would: revokes the generation, then renews it until that succeeds. */
async function clear({ scheduler, primary, generation, caches, ledger, tally }: World, at: number): Promise<void> {
  const changes = primary.committed();
  await generation.source.revoke();
  const renew = () =>
    caches[at]!.renewGeneration().then(
      () => true,
      () => false,
    );
  while (!(await renew())) await scheduler.step('is tried again', () => {});
  tally.count('clear');
  ledger.cleared(changes, recheckMs);
}

function breakConnection({ server, tally }: World, container: number): void {
  tally.count('broken connection');
  server.breakConnection(`connection ${container}`);
}

/** Within a second, Redis has replied or its connection was dropped. */
async function secondPasses({ scheduler, clock }: World): Promise<void> {
  await scheduler.drainLanes();
  clock.pass(recheckMs);
}

/**
 * Long enough for leases, results, and the copy of the generation to expire, and for all containers to check it again.
 */
export async function tenSecondsPass({ scheduler, server, clock, copyKey }: World): Promise<void> {
  await scheduler.drainLanes();
  clock.pass(copyTtlMs + recheckMs);
  await server.remove((key) => key === copyKey || key.includes('~'));
}
