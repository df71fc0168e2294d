/** How a table is partitioned by range of a `timestamptz` column, in UTC. */
export interface Partitions {
  by: 'day' | 'month';
  column: string;
  /** How many periods after the current one have a partition. */
  ahead: number;
  /** How many past periods are kept. Default: all. */
  kept?: number;
  /** A SQL condition. A partition with a row that meets it is not dropped. */
  keepWhile?: string;
  /** Storage parameters of each partition, as SQL: partitions inherit none. */
  storage?: string;
}

/** A table of a domain's schema. */
export interface TableDeclaration {
  summary: string;
  /** The entities that its changes announce, as templates; or why they announce none. */
  announces: readonly string[] | { nothing: string };
  partitions?: Partitions;
}

/** A partitioned table by its full name: `platform.outbox`. */
export interface PartitionedTable {
  schema: string;
  name: string;
  partitions: Partitions;
}
