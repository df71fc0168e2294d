/** What is known of tiered tables and of their files, in `platform.tiers`, `platform.archives`, and the catalog. */

import type { DecimalNeeds, TableColumn } from './columns.ts';
import type { Content } from './content.ts';
import type { FooterMark } from './read-file.ts';

/** What verification read back from a file. */
export interface Manifest extends Content {
  table: string;
  /** Its first day. */
  month: string;
  columns: TableColumn[];
  series: string;
  time: string;
  needs: DecimalNeeds;
  footer: FooterMark;
  /** A hash of the packs that the rows came from, if there were any. */
  packed: string | null;
}

/** A file that readers use. */
export interface MonthFile {
  /** Its first day. */
  month: string;
  key: string;
  etag: string;
  bytes: number;
  rows: number;
  manifest: Manifest;
}

/** As SQL: the columns of a table, as `TableColumn`s, in order. `table` is an expression. */
export function columnsSql(table: string): string {
  return `(select json_agg(json_build_object('name', attname, 'type', format_type(atttypid, null), 'isRequired', attnotnull)
      order by attnum)
    from pg_attribute where attrelid = to_regclass(${table}) and attnum > 0 and not attisdropped)`;
}

/**
 * As SQL: the files of a table that readers use, as `MonthFile`s, oldest first. A month that was restored, and perhaps
 * packed again, is read from Postgres until `archived_until` has moved past it once more.
 */
export function filesSql(table: string): string {
  return `(select coalesce(json_agg(json_build_object('month', month, 'key', key, 'etag', etag, 'bytes', bytes,
      'rows', rows, 'manifest', manifest) order by month), '[]')
    from platform.archives where name = ${table} and key is not null and state not in ('restored', 'expired')
      and month::timestamp at time zone 'UTC' < (select t.archived_until from platform.tiers t where t.name = ${table}))`;
}
