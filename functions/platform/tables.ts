/** The platform's tables (schema `platform`) that functions and operators see. */
import type { TableDeclaration } from '../../shared/kernel/table.ts';

export const tables = {
  outbox: {
    summary: 'Events, each written in the transaction of its change, until two weeks after they were published.',
    announces: { nothing: 'It holds the announcements themselves.' },
    partitions: {
      by: 'day',
      column: 'created_at',
      ahead: 14,
      kept: 14,
      keepWhile: 'published_at is null',
      // inserts fill half of a page, so that a claim's new version of a row fits beside the old one and touches no index
      storage: 'fillfactor = 50',
    },
  },
  event_deliveries: {
    summary: 'What each consumer did with each event.',
    announces: { nothing: 'Not cached: read from the primary.' },
  },
  jobs: {
    summary: 'Every run of a sync, import or refresh.',
    announces: { nothing: 'Not cached: read from the primary.' },
  },
  rejected_rows: {
    summary: 'The rows that jobs rejected, with the reason of each.',
    announces: { nothing: 'Not cached: read from the primary.' },
  },
  checkpoints: {
    summary: 'How far each sync and import has come, and which run holds its lease.',
    announces: { nothing: 'Not cached: only syncs read it.' },
  },
  watermarks: {
    summary: 'Up to when the changes of each source are complete.',
    announces: { nothing: 'Not cached: only syncs read it.' },
  },
  cache_generation: {
    summary: 'The generation of the cache’s keys: one row.',
    announces: { nothing: 'It voids the whole cache itself.' },
  },
  replica_canary: {
    summary: 'What the replica canary writes while it runs.',
    announces: { nothing: 'Not cached: only the canary reads it.' },
  },
} satisfies Record<string, TableDeclaration>;
