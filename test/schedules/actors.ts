/** The actors of a schedule: readers, writers, deliveries, and replicas. */
import type { CachedView } from '../../shared/cache/view.ts';
import { startDisruption, tenSecondsPass } from './disruptions.ts';
import type { World } from './explore.ts';
import { entitiesOf } from './loader.ts';
import { type Change, replicaCount } from './primary.ts';
import { containerCount, entities, isCalm, type ReaderPlan, type ViewKind, type WriterPlan } from './schedule.ts';

/** Starts all actors. They proceed as the schedule releases their steps. */
export function startActors(world: World): void {
  const { scheduler, tally, plan } = world;
  const spawn = (name: string, script: () => Promise<void>) => scheduler.spawn(name, script, tally.fail);
  for (const [i, one] of plan.readers.entries()) spawn(`reader ${i + 1}`, () => readEach(world, one));
  for (const [i, one] of plan.writers.entries()) spawn(`writer ${i + 1}`, () => write(world, one));
  for (let at = 0; at < replicaCount; at++) spawn(`replica ${at}`, () => replicate(world, at));
  for (const one of plan.disruptions) startDisruption(world, one);
}

/** Both views belong to the first entity; one also depends on the second. */
function viewOf(kind: ViewKind, ttlSeconds: number): CachedView {
  const dependsOn = kind === 'plain' ? [] : [entities[1]];
  return { entity: entities[0], field: kind, dependsOn, ttlSeconds, isFenced: true };
}

async function readEach(world: World, { container, reads }: ReaderPlan): Promise<void> {
  for (const { stall, view, isTwice, mustBeFenced } of reads) {
    await world.scheduler.step(`reads ${view}`, () => {}, { stall });
    const one = () => readAndCheck(world, container, view, mustBeFenced);
    await Promise.all(isTwice ? [one(), one()] : [one()]);
  }
}

/** Reads a view and returns the changes that the answer shows. */
async function readAndCheck(world: World, container: number, kind: ViewKind, mustBeFenced = false): Promise<number[]> {
  const { ledger, caches, tally, plan } = world;
  const view = viewOf(kind, plan.ttlSeconds);
  const { load, loads } = watchLoads(world, view);
  const owed = ledger.beginRead(view);
  const served = await caches[container]!.read(view, load, { mustBeFenced });
  const shown = JSON.parse(served.entry.body.toString()) as number[];
  const { missing, isBehind } = ledger.settle(owed, shown, served.outcome);
  tally.count(served.outcome === 'miss' && loads() === 0 ? 'another’s result' : served.outcome);
  if (isBehind) tally.count('stale while a delivery is due');
  if (missing.length > 0)
    tally.fail(`A ${served.outcome} of ${kind} shows ${JSON.stringify(shown)} and misses ${JSON.stringify(missing)}.`);
  return shown;
}

/** Counts the loads of a read. Fails if two loads of the view run at once although nothing went wrong. */
function watchLoads({ loaderOf, plan, tally, loading }: World, view: CachedView) {
  const loadView = loaderOf(view);
  let loads = 0;
  return {
    loads: () => loads,
    load: async (source: Parameters<typeof loadView>[0]) => {
      loads++;
      const running = (loading.get(view.field) ?? 0) + 1;
      loading.set(view.field, running);
      if (running > 1 && isCalm(plan)) tally.fail(`Two loads of ${view.field} ran at once.`);
      return loadView(source).finally(() => loading.set(view.field, loading.get(view.field)! - 1));
    },
  };
}

async function write(world: World, plan: WriterPlan): Promise<void> {
  const { scheduler, primary, ledger, caches, generation, tally } = world;
  const { container, fate, firstDeliveries, stalls } = plan;
  const change = await scheduler.step('begins', () => primary.begin(plan.entities), { stall: stalls[0] });
  const isCommitted = fate !== 'rolled back';
  const label = `${isCommitted ? 'commits' : 'rolls back'} ${change.xid}`;
  await scheduler.step(label, () => primary.end(change, isCommitted), { stall: stalls[1] });
  if (!isCommitted) return;
  if (fate === 'dead') return generation.source.revoke();
  scheduler.spawn(`relay of ${change.xid}`, () => deliver(world, change, firstDeliveries), tally.fail);
  if (fate === 'lost') return;
  const raise = () => caches[container]!.raise(change.entities, change.xid);
  await ledger.raising(change, 'direct', raise).catch(() => tally.count('failed raise'));
}

/** The queues: the first delivery, possibly repeated, and a second one after every replica shows the change. */
async function deliver(world: World, change: Change, times: number): Promise<void> {
  const { scheduler, primary, ledger } = world;
  for (let i = 0; i < times; i++) {
    await scheduler.step(`delivers ${change.xid}`, () => {});
    await raiseFor(world, change, 'first');
  }
  const isReady = () => primary.isEverywhere(change) && ledger.canDeliverAgain();
  await scheduler.step(`delivers ${change.xid} again`, () => {}, { isReady });
  await raiseFor(world, change, 'second');
}

/** Retries a failed delivery, after voiding the cache. */
async function raiseFor(
  { caches, ledger, generation }: World,
  change: Change,
  delivery: 'first' | 'second',
): Promise<void> {
  const raise = () => caches[containerCount]!.raise(change.entities, change.xid, delivery);
  for (;;) {
    const isRaised = await ledger.raising(change, delivery, raise).then(
      () => true,
      () => false,
    );
    if (isRaised) return;
    await generation.source.revoke();
  }
}

async function replicate({ scheduler, primary, plan }: World, at: number): Promise<void> {
  const isReady = () => primary.hasMore(at);
  for (let i = at; ; i++) {
    const stall = plan.lags[i % plan.lags.length]!;
    await scheduler.step('has more to apply', () => {}, { isReady });
    await scheduler.step('applies', () => primary.apply(at), { stall });
  }
}

/** Once everything is delivered and applied, every view must show every change, through every container. */
export async function checkAtRest(world: World): Promise<void> {
  const { scheduler, primary, tally } = world;
  scheduler.calm();
  tally.end();
  await tenSecondsPass(world);
  const check = async (container: number, kind: ViewKind) => {
    const shown = await readAndCheck(world, container, kind);
    const newest = primary.writer.shown(entitiesOf(viewOf(kind, 0)));
    if (newest.some((xid) => !shown.includes(xid)))
      tally.fail(`At rest, ${kind} shows ${JSON.stringify(shown)} instead of ${JSON.stringify(newest)}.`);
  };
  for (let container = 0; container < containerCount; container++)
    for (const kind of ['plain', 'dependent'] as const) {
      scheduler.spawn('reader at rest', () => check(container, kind), tally.fail);
      await scheduler.run();
    }
}
