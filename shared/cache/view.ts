import type { Server } from '../observability/servers.ts';
import type { Evidence, Fence } from './proof.ts';

/** What is cached: a view of an entity. */
export interface CachedView {
  /** The entity that it is stored under: `collections:0xb47e…`. */
  entity: string;
  /** Its field in the entity's hash, which identifies the code behind it: `listNfts?page=1~3f9c2a71`. */
  field: string;
  /** Up to three more entities whose fences void it. */
  dependsOn: readonly string[];
  /** An entry's TTL is up to 10 % shorter, so that entries do not end together. */
  ttlSeconds: number;
  /** How long past its end an entry may be served while the database is down. A voided entry is never served. */
  graceSeconds?: number;
  /** Whether changes void it. If not, only its TTL and explicit clearing do. */
  isFenced: boolean;
}

/**
 * Where a load should read from. With `proving`, it first asks the replica for the status of these fences'
 * transactions, in the same transaction as the read, and throws Unproven if that proves nothing. With `insteadOf`, it
 * first drops the connections that the evidence came through: the server behind them is not the primary.
 */
export type Source = { host: 'replica'; proving?: readonly Fence[] } | { host: 'writer'; insteadOf?: Evidence };

/** The result of a load. */
export interface Loaded {
  /**
   * What the host reported about itself. Undefined if the data does not come from Postgres: there is nothing to prove.
   */
  evidence: Evidence | undefined;
  status: 200 | 404;
  body: string | Uint8Array;
  asOf?: Date;
  /** Whether it was computed for this read because no read model covers the latest change. */
  live?: boolean;
  /** What it was loaded from. */
  servedBy?: readonly Server[];
}

/** A replica has not seen every fence. The load is retried on the primary. */
export class Unproven extends Error {}

export type Load = (source: Source) => Promise<Loaded>;
