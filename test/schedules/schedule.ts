/** What a schedule is: who takes part, what happens to Redis, and the order of it all. Plain values, as fast-check makes them. */
import fc from 'fast-check';
import type { Switch } from './scheduler.ts';

export type ViewKind = 'plain' | 'dependent';

/** For how many steps an actor holds back, twice. */
export type Stalls = readonly [number, number];

export interface WriterPlan {
  container: number;
  entities: readonly string[];
  /** `lost`: the container dies after its commit; `dead`: no delivery comes through either, and the cache is voided. */
  fate: 'raised' | 'lost' | 'rolled back' | 'dead';
  firstDeliveries: number;
  /** For how many steps it holds back: its beginning, and then its commit. */
  stalls: Stalls;
}

export interface ReaderPlan {
  container: number;
  /** What it reads, one after another; `isTwice`: two reads in one tick. */
  reads: readonly { stall: number; view: ViewKind; isTwice: boolean; mustBeFenced: boolean }[];
}

export type Misfortune = { stalls: Stalls } & Kind;

type Kind =
  | { kind: 'eviction'; entity: string }
  | { kind: 'failover' }
  | { kind: 'clear'; container: number }
  | { kind: 'a second' }
  | { kind: 'ten seconds' }
  | { kind: 'broken connection'; container: number };

export interface Schedule {
  writers: readonly WriterPlan[];
  readers: readonly ReaderPlan[];
  misfortunes: readonly Misfortune[];
  /** Whether no generation was begun yet. */
  beginsVoid: boolean;
  ttlSeconds: number;
  /** Which replica each load goes to, and for how many steps its rows are on their way. */
  routes: readonly { replica: number; stall: number }[];
  /** For how many steps a replica holds back what it applies next. */
  lags: readonly number[];
  switches: readonly Switch[];
}

/** Containers of readers and writers; one more takes the deliveries. */
export const containerCount = 2;
export const entities = ['one', 'two'] as const;

/** Whether nothing goes wrong: then no view is loaded by two at once. */
export function isCalm({ misfortunes, writers, beginsVoid }: Schedule): boolean {
  return misfortunes.length === 0 && !beginsVoid && writers.every(({ fate }) => fate !== 'dead');
}

const some = <T>(weight: number, value: T) => ({ weight, arbitrary: fc.constant(value) });
const container = fc.nat(containerCount - 1);

const stall = fc.oneof(
  some(5, 0),
  { weight: 2, arbitrary: fc.nat(12) },
  { weight: 2, arbitrary: fc.nat(40) },
  { weight: 1, arbitrary: fc.nat(100) },
);
const stalls: fc.Arbitrary<Stalls> = fc.tuple(stall, stall);

const writer: fc.Arbitrary<WriterPlan> = fc.record({
  container,
  entities: fc.oneof(some(5, ['one']), some(3, ['two']), some(2, ['one', 'two'])),
  fate: fc.oneof(
    some(8, 'raised' as const),
    some(3, 'lost' as const),
    some(1, 'rolled back' as const),
    some(1, 'dead' as const),
  ),
  firstDeliveries: fc.oneof(some(3, 1), some(1, 2)),
  stalls,
});

const reader: fc.Arbitrary<ReaderPlan> = fc.record({
  container,
  reads: fc.array(
    fc.record({
      stall,
      view: fc.oneof(some(3, 'plain' as const), some(2, 'dependent' as const)),
      isTwice: fc.oneof(some(9, false), some(1, true)),
      mustBeFenced: fc.oneof(some(9, false), some(1, true)),
    }),
    { minLength: 1, maxLength: 4 },
  ),
});

const kind: fc.Arbitrary<Kind> = fc.oneof(
  { weight: 7, arbitrary: fc.record({ kind: fc.constant('eviction' as const), entity: fc.constantFrom(...entities) }) },
  some(4, { kind: 'failover' as const }),
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('clear' as const), container }) },
  some(4, { kind: 'a second' as const }),
  some(2, { kind: 'ten seconds' as const }),
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('broken connection' as const), container }) },
);

const misfortune: fc.Arbitrary<Misfortune> = fc.tuple(stalls, kind).map(([stalls, one]) => ({ stalls, ...one }));

const areTwoFailovers = (one: Misfortune, two: Misfortune) => one.kind === 'failover' && two.kind === 'failover';

const change: fc.Arbitrary<Switch> = fc.record({
  to: fc.nat(15),
  stay: fc.oneof(some(4, 0), some(4, 1), some(3, 2), some(2, 4), some(2, 7), some(1, 12), some(1, 25)),
});

export const schedule: fc.Arbitrary<Schedule> = fc.noBias(
  fc.record({
    writers: fc.array(writer, { minLength: 1, maxLength: 4 }),
    readers: fc.array(reader, { minLength: 2, maxLength: 3 }),
    misfortunes: fc.uniqueArray(misfortune, { maxLength: 4, comparator: areTwoFailovers }),
    beginsVoid: fc.oneof(some(7, false), some(1, true)),
    ttlSeconds: fc.oneof(some(4, 300), some(1, 2)),
    routes: fc.array(fc.record({ replica: fc.nat(1), stall }), { minLength: 1, maxLength: 6 }),
    lags: fc.array(stall, { minLength: 1, maxLength: 4 }),
    switches: fc.array(change, { maxLength: 80, size: 'max' }),
  }),
);
