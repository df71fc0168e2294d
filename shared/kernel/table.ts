/** How a table is partitioned: by ranges of a `timestamptz` column, in UTC. */
export interface Partitions {
  by: 'day' | 'month';
  column: string;
  /** How many future periods have a partition. */
  ahead: number;
  /** Partitions of each partition: its rows by the hash of a column. Both columns are part of the table's key. */
  hash?: { column: string; count: number };
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
  /** Moves old rows to cheaper storage. The table is partitioned by month. */
  tiers?: Tiers;
}

/**
 * How the rows of a table age: they are `hot` in its partitions, `warm` packed in one row per series and day, and `cold`
 * in Parquet files in S3. Each moves by whole months. A migration creates what that needs with `platform.create_tiers`.
 */
export interface Tiers {
  /** The column that names the series. With the time, it is the table's key. */
  series: string;
  /** All columns with their Postgres types, as the archive's files and tables have them. A test compares them. */
  columns: Readonly<Record<string, ArchivedType>>;
  /** A month is packed when its last day is older than this. */
  hotDays: number;
  /** A month is archived when its last day is older than this. */
  warmDays: number;
  /** The file of a month is deleted when its last day is older than this. Default: it is kept for ever. */
  keptDays?: number;
}

/** The Postgres types that files of the archive can hold. */
export type ArchivedType = 'smallint' | 'integer' | 'bigint' | 'boolean' | 'text' | 'numeric' | 'timestamptz';

/**
 * What a decimal column of the archive's tables holds. A file has the smallest scale that its values need. A value with more
 * digits is null there, and stands as text in the column `<name>_text`.
 */
export const archivedDecimal = { precision: 38, scale: 18, overflowSuffix: '_text' };

/** The tiers of the seed: 30 days, a year. */
export const hotWarmCold = { hotDays: 30, warmDays: 365 };

/**
 * The tables with what stands beside each one that has tiers: `…_late`, for rows of months that are no longer hot, and
 * `…_packed`.
 */
export function withTiers<Tables extends Record<string, TableDeclaration>>(
  tables: Tables,
): Record<string, TableDeclaration> {
  const unchanging = { nothing: 'Only what moves history from tier to tier changes it, and then no answer changes.' };
  return Object.fromEntries(
    Object.entries(tables).flatMap(([name, table]): [string, TableDeclaration][] => {
      if (!table.tiers) return [[name, table]];
      const late = `Rows of \`${name}\` for months that are packed or archived, until they are moved there.`;
      const packed = `Older rows of \`${name}\`, packed in one row per series and day.`;
      return [
        [name, table],
        [`${name}_late`, { summary: late, announces: table.announces }],
        [`${name}_packed`, { summary: packed, announces: unchanging }],
      ];
    }),
  );
}

/** A tiered table, with its schema. */
export interface TieredTable {
  schema: string;
  name: string;
  /** The column of the time of a row. */
  column: string;
  tiers: Tiers;
}

/** A partitioned table, with its schema. */
export interface PartitionedTable {
  schema: string;
  name: string;
  partitions: Partitions;
}
