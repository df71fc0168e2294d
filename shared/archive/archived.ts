/** What a statement gets of the rows that are no longer in Postgres. */
import sql, { raw, type Sql } from 'sql-template-tag';

/** Rows of a tiered table that a statement reads: those of some series in [since, until). */
export interface ArchivedRange {
  /** The table, with its schema. */
  table: string;
  /** A query with one column: the ids of the series. */
  series: Sql;
  since: Date;
  until: Date;
  /** Only so many of each series are needed from the files: the earliest, or with `fromEnd` the latest. Default: all. */
  rowsPerSeries?: number;
  /** Default: from the start. */
  fromEnd?: boolean;
}

/** Rows of one table that come from files. */
export interface ArchivedRows {
  /** A relation with the table's columns: the rows from files, without those that a late row replaces. */
  rows: Sql;
  /** The start of the first month that is read from Postgres, or `-infinity`: the last argument of `t_rows` and `t_last`. */
  until: string;
  /** A relation with the table's columns: all rows of the range, from files and from Postgres. */
  all: Sql;
}

/** The rows from files of one of the statement's tables, by its name with the schema. */
export type Archived = (table: string) => ArchivedRows;

/** What the files of a range contain. */
export interface FileRows {
  range: ArchivedRange;
  until: Date | undefined;
  /** An array of the table's row type, as Postgres writes it: `{"(1,2020-01-01T00:00:00Z,5.5)"}`. */
  rows: string;
}

/** As if nothing were in files. Its statements have the same text as those with rows. */
export function withoutFiles(ranges: readonly ArchivedRange[]): Archived {
  return archivedOf(ranges.map((range) => ({ range, until: undefined, rows: '{}' })));
}

/** The relations of what was read from files. @throws Error  the statement asks for a table that it declares no range of */
export function archivedOf(found: readonly FileRows[]): Archived {
  return (table) => {
    const one = found.find(({ range }) => range.table === table);
    if (!one) throw new Error(`The read declares no archived range of ${table}.`);
    const { series, since, until } = one.range;
    const from = one.until?.toISOString() ?? '-infinity';
    const rows = sql`${raw(`${table}_archived`)}(${one.rows}::${raw(table)}[])`;
    // joined, because a function with a subquery among its arguments is not inlined
    const inPostgres = sql`select r.* from (select array(${series}) as ids) as series,
      ${raw(`${table}_rows`)}(series.ids, ${since}::timestamptz, ${until}::timestamptz, ${from}::timestamptz) as r`;
    return { rows, until: from, all: sql`(select * from ${rows} union all ${inPostgres})` };
  };
}
