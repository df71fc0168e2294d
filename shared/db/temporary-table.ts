import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { from as copyFrom } from 'pg-copy-streams';
import sql, { raw, Sql } from 'sql-template-tag';
import { type CopyRow, type CopyType, encodeCopy } from './copy-binary.ts';
import type { Transaction } from './transaction.ts';

/** SQL types by column name. */
export type ColumnTypes = Readonly<Record<string, CopyType>>;

/**
 * A temporary table, dropped when the transaction that created it ends. In a statement, the value is the table's name.
 *
 * ```ts
 * const stagedProfiles = new TemporaryTable('staged_profiles', { wallet_address: 'bytea', display_name: 'text' });
 * await stagedProfiles.fill(tx, profiles, (one) => ({ wallet_address: one.wallet, display_name: one.name }));
 * await tx.query(sql`select display_name from ${stagedProfiles} order by position`);
 * ```
 */
export class TemporaryTable<Columns extends ColumnTypes = Record<never, CopyType>> extends Sql {
  /** The column names, in order. */
  readonly columns: readonly (keyof Columns & string)[];
  readonly #types: Columns;
  readonly #key: readonly (keyof Columns & string)[];

  /**
   * @param types  name → SQL type; not needed for a table that is created from a query
   * @param key    the columns that statements join by, which are analyzed. Default: all
   */
  constructor(name: string, types = {} as Columns, key: readonly (keyof Columns & string)[] = []) {
    super([`pg_temp.${name}`], []);
    this.#types = types;
    this.columns = Object.keys(types);
    this.#key = key;
  }

  /** The column names, except the given ones. */
  columnsExcept(...excluded: (keyof Columns & string)[]): (keyof Columns & string)[] {
    return this.columns.filter((column) => !excluded.includes(column));
  }

  /** The statement that creates the empty table. */
  get creation(): Sql {
    return this.#creationWith([]);
  }

  /**
   * Creates the table with one row per source. This is the first step of a bulk write, which then excludes the rows
   * that are already stored by a join and inserts the others in key order.
   *
   * An additional column, `position`, numbers the rows from 1. A second call in the same transaction replaces the rows.
   */
  async fill<Source>(
    tx: Transaction,
    sources: Iterable<Source>,
    toRow: (source: Source) => CopyRow<Columns>,
  ): Promise<void> {
    await tx.query(sql`
      drop table if exists ${this};
      ${this.#creationWith(['position integer'])}`);
    const names = ['position', ...this.columns].join(', ');
    const copy = tx.query(copyFrom(`copy ${this.sql} (${names}) from stdin (format binary)`));
    await pipeline(Readable.from(encodeCopy(this.#types, mapped(sources, toRow))), copy);
    await tx.query(sql`analyze ${this} ${raw(this.#key.length > 0 ? `(${this.#key.join(', ')})` : '')}`);
  }

  /** Creates the table from a query without parameters, and analyzes it for the statements that join it. */
  async createAs(tx: Transaction, query: Sql): Promise<void> {
    await tx.query(sql`create temporary table ${this} on commit drop as ${query}; analyze ${this}`);
  }

  #creationWith(additional: readonly string[]): Sql {
    const definitions = this.columns.map((column) => `${column} ${this.#types[column]}`);
    return sql`create temporary table ${this} (${raw([...additional, ...definitions].join(', '))}) on commit drop`;
  }
}

/** Lazy, because a Lambda function may lack the memory for a second array of a million rows. */
function* mapped<Source, Row>(sources: Iterable<Source>, toRow: (source: Source) => Row): Iterable<Row> {
  for (const source of sources) yield toRow(source);
}
