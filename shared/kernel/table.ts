/** How a table is partitioned: by ranges of a `timestamptz` column, in UTC. */
export interface Partitions {
  by: 'day' | 'month';
  column: string;
  /** How many future periods have a partition. */
  ahead: number;
  /** How many past periods are kept. Default: all. */
  kept?: number;
  /** A SQL condition. A partition is not dropped while any of its rows meets it. */
  keepWhile?: string;
  /** Storage parameters of each partition, as SQL. Partitions do not inherit the table's. */
  storage?: string;
}

/** A table of a domain's schema. */
export interface TableDeclaration {
  summary: string;
  /** The entities that its changes announce, as templates; or the reason why they announce none. */
  announces: readonly string[] | { nothing: string };
  partitions?: Partitions;
}

/** A partitioned table, with its schema. */
export interface PartitionedTable {
  schema: string;
  name: string;
  partitions: Partitions;
}
