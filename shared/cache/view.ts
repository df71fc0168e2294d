import type { PgSnapshot } from '../kernel/snapshot.ts';

/** What is asked of the cache: one view of one entity. */
export interface CachedView {
  /** The entity it lives with: `collections:0xb47e…`. */
  entity: string;
  /** Its name within the entity: `metadata`, `nfts?page=1`. */
  view: string;
  /** Up to three more entities whose fences hide it. */
  dependsOn: readonly string[];
  /** Life in seconds; each entry's own is up to 10 % shorter, so that they do not end together. */
  ttlSeconds: number;
  /** Age in seconds past which a valid entry is served and refreshed. */
  softTtlSeconds?: number;
  /** Seconds past its end that an unfenced entry may stand in while the database is down. */
  graceSeconds?: number;
  /** `fenced`: read under a snapshot and hidden by fences. The others live by their TTL and by explicit clearing. */
  kind: 'fenced' | 'ttlOnly' | 'upstream';
}

/** Where a loader is to read: a replica will do, or it has to be the writer. */
export type Source = 'replica' | 'writer';

/** What a loader found, and the snapshot it was read under (undefined for what does not come from Postgres). */
export interface Loaded {
  snapshot: PgSnapshot | undefined;
  status: 200 | 404;
  body: string | Uint8Array;
  asOf?: Date;
  /** Whether it was computed on the spot, as no snapshot of it stood. */
  live?: boolean;
}

/**
 * What is served. `hit`: from the cache; `stale`: from the cache, past its end, as nothing better was to be had; `miss`:
 * loaded; `bypass`: loaded without a cache.
 */
export interface Served {
  outcome: 'hit' | 'stale' | 'miss' | 'bypass';
  status: 200 | 404;
  body: Buffer;
  encoding: 'identity' | 'gzip';
  /** Strong, quoted. */
  etag: string;
  asOf: Date | undefined;
  /** Whether it was computed on the spot, as no snapshot of it stood. */
  live: boolean;
  /** Whole seconds since it was loaded. */
  ageSeconds: number;
}
