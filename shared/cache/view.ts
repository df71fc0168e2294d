import type { Entry } from './entry.ts';
import type { Evidence, Fence } from './proof.ts';

/** What is asked of the cache: one view of one entity. */
export interface CachedView {
  /** The entity it lives with: `collections:0xb47e…`. */
  entity: string;
  /** Its field in the entity's hash; it names the code that makes it: `listNfts?page=1~3f9c2a71`. */
  field: string;
  /** Up to three more entities whose fences void it. */
  dependsOn: readonly string[];
  /** Life in seconds; each entry's own is up to 10 % shorter, so that they do not end together. */
  ttlSeconds: number;
  /** Seconds past its end that an entry may stand in while the database is down; one that was fenced never does. */
  graceSeconds?: number;
  /** Whether changes void it; if not, it lives by its TTL and by explicit clearing. */
  isFenced: boolean;
}

/**
 * Where a loader is to read. With `proving` it first asks the replica for the status of these fences' transactions, in
 * the transaction that then reads, and throws Unproven if that does not prove them. With `insteadOf` it first drops the
 * connections that evidence came through: the server behind them is not the writer.
 */
export type Source = { host: 'replica'; proving?: readonly Fence[] } | { host: 'writer'; insteadOf?: Evidence };

/** What a loader found. */
export interface Loaded {
  /** What the host said of itself; undefined for what does not come from Postgres and has nothing to prove. */
  evidence: Evidence | undefined;
  status: 200 | 404;
  body: string | Uint8Array;
  asOf?: Date;
  /** Whether it was computed for this read because no snapshot of the read model covers the last change. */
  live?: boolean;
}

/** A replica has not seen every fence. The load is tried again on the writer. */
export class Unproven extends Error {}

export type Load = (source: Source) => Promise<Loaded>;

/**
 * How an answer came about. `hit`: from the cache; `stale`: from the cache, past its end or while the database cannot
 * confirm it; `miss`: loaded, and proven to show every fence; `bypass`: loaded from a replica without asking Redis,
 * unproven.
 */
export type Outcome = 'hit' | 'stale' | 'miss' | 'bypass';

/** What is served. */
export interface Served {
  outcome: Outcome;
  entry: Entry;
}
