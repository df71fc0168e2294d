/** The tables of the platform (schema `platform`). */
import type { TableDeclaration } from '../../shared/kernel/table.ts';

const readFromPrimary = { nothing: 'Not cached: read from the primary.' };
const readBySyncs = { nothing: 'Not cached: only syncs read it.' };

export const tables = {
  outbox: {
    summary: 'Events, each written in the transaction of its change. Deleted two weeks after they were published.',
    announces: { nothing: 'It holds the announcements themselves.' },
    partitions: {
      by: 'day',
      column: 'created_at',
      ahead: 14,
      kept: 14,
      keepWhile: 'published_at is null',
      // leaves half of each page free, so that a claim's new row version fits beside the old one and touches no index
      storage: 'fillfactor = 50',
    },
  },
  event_deliveries: {
    summary: 'The status of each event at each consumer.',
    announces: readFromPrimary,
  },
  jobs: {
    summary: 'All jobs: every run of a sync, import, refresh, or maintenance.',
    announces: readFromPrimary,
  },
  rejected_rows: {
    summary: 'The rows that jobs rejected, with the reason for each.',
    announces: readFromPrimary,
  },
  quarantine: {
    summary: 'What jobs and webhooks could not process, with the reason and the next attempt.',
    announces: readFromPrimary,
  },
  checkpoints: {
    summary: 'The position of each sync and import, and the run that holds its lease.',
    announces: readBySyncs,
  },
  watermarks: {
    summary: 'The time up to which the changes of each source are complete.',
    announces: readBySyncs,
  },
  tiers: {
    summary: 'Up to which month each tiered table is closed, packed, and archived.',
    announces: { nothing: 'No answer changes when history moves from tier to tier.' },
  },
  archives: {
    summary: 'The months in the archive, and how far each is on its way there.',
    announces: { nothing: 'No answer changes when history moves from tier to tier.' },
  },
  keys: {
    summary: 'The keys of owners: bearer tokens, each as its hash.',
    announces: readFromPrimary,
  },
  cache_generation: {
    summary: 'The current generation of cache keys, in one row.',
    announces: { nothing: 'A change to it voids the whole cache.' },
  },
  replica_canary: {
    summary: 'Rows that the replica canary writes while it runs.',
    announces: { nothing: 'Not cached: only the canary reads it.' },
  },
} satisfies Record<string, TableDeclaration>;
