/** Writes a month of a tiered table into a file: its packs and late rows, and the rows of the file that it has. */
import { to as copyTo } from 'pg-copy-streams';
import type { Transaction } from '../db/transaction.ts';
import type { TieredTable } from '../kernel/table.ts';
import { type Batches, merged } from './batch.ts';
import { columnsSql, type Manifest, type MonthFile } from './catalog.ts';
import {
  type DecimalNeeds,
  type FileColumn,
  fileColumnsOf,
  isOverflow,
  maxScale,
  maxWholeDigits,
  type TableColumn,
} from './columns.ts';
import { type Content, shortest } from './content.ts';
import { copiedRows, drain, NeedsMoreDigits } from './copy-rows.ts';
import { fileSource } from './objects.ts';
import { fileRows, openFile } from './read-file.ts';
import { rowGroupRows, writeFile } from './write-file.ts';

export interface Month {
  /** Its first day: `2020-11-01`. */
  day: string;
  from: Date;
  to: Date;
}

export interface Exported extends Omit<Manifest, 'footer'> {
  /** What Postgres says of the rows that came from it. Null if others came from a file. */
  inPostgres: Pick<Content, 'rows' | 'sums'> | null;
}

/**
 * Writes the file, from one snapshot of the database: `tx` must be `repeatable read`.
 *
 * @param file  the month's file, if it has one. Rows in Postgres replace its rows with the same key.
 * @throws Unavailable  the database or S3 failed (retryable)
 */
export async function exportMonth(
  tx: Transaction,
  table: TieredTable,
  month: Month,
  path: string,
  file?: MonthFile,
): Promise<Exported> {
  await tx.query(`set local timezone = 'UTC'; set local work_mem = '64MB'; set local statement_timeout = 0;
    set local transaction_timeout = 0; set local idle_in_transaction_session_timeout = 0`);
  const name = nameOf(table);
  const { rows } = await tx.query<{ columns: TableColumn[] }>(`select ${columnsSql('$1')} as columns`, [name]);
  const { columns } = rows[0]!;
  let needs = withNeedsOf(file, await likelyNeeds(tx, table, columns, month));
  const write = () => writeMonth(tx, table, month, path, fileColumnsOf(columns, needs), file);
  const content = await write().catch(async (error: unknown) => {
    if (!(error instanceof NeedsMoreDigits)) throw error;
    needs = withNeedsOf(file, await decimalNeeds(tx, columns, closedRows(table), [month.from, month.to]));
    return write();
  });
  return {
    ...content,
    table: name,
    month: month.day,
    columns,
    series: table.tiers.series,
    time: table.column,
    needs,
    packed: await packsHash(tx, `${name}_packed`, month),
    inPostgres: file ? null : await contentInPostgres(tx, table, columns, needs, month),
  };
}

export function nameOf({ schema, name }: Pick<TieredTable, 'schema' | 'name'>): string {
  return `${schema}.${name}`;
}

async function writeMonth(
  tx: Transaction,
  table: TieredTable,
  month: Month,
  path: string,
  columns: readonly FileColumn[],
  file?: MonthFile,
): Promise<Content> {
  const { series } = table.tiers;
  const names = columns.filter((one) => !isOverflow(columns, one)).map(({ name }) => name);
  const copy = tx.query(
    copyTo(`copy (select ${names.join(', ')} from ${nameOf(table)}_closed('${month.from.toISOString()}', '${month.to.toISOString()}')
      order by ${series}, ${table.column}) to stdout (format binary)`),
  );
  const key = { series: names.indexOf(series), time: names.indexOf(table.column) };
  const inPostgres = copiedRows(copy, columns, rowGroupRows);
  const all = file ? merged(inPostgres, rowsInFile(file, columns), key, rowGroupRows) : inPostgres;
  return writeFile(path, columns, [series, table.column], all).catch(async (error: unknown) => {
    await drain(copy);
    throw error;
  });
}

/** The rows of a file with other scales, as rows with these columns. */
async function* rowsInFile(file: MonthFile, columns: readonly FileColumn[]): Batches {
  const opened = await openFile(fileSource(file), file.etag, file.manifest.footer);
  const from = columns.map(({ name }) => opened.columns.findIndex((one) => one.name === name));
  const factors = columns.map(({ scale }, i) => 10n ** BigInt(scale - (opened.columns[from[i]!]?.scale ?? scale)));
  for await (const batch of fileRows(opened))
    yield columns.map(({ kind }, i) => {
      const values = batch[from[i]!];
      if (!values) return Array.from({ length: batch[0]!.length }, () => null);
      if (kind !== 'decimal' || factors[i] === 1n) return values;
      return values.map((value) => (value === null ? null : (value as bigint) * factors[i]!));
    });
}

/** Also what the columns of the file have. */
function withNeedsOf(file: MonthFile | undefined, needs: DecimalNeeds): DecimalNeeds {
  const inFile = file?.manifest.needs ?? {};
  return Object.fromEntries(
    Object.entries(needs).map(([name, need]) => {
      const before = inFile[name] ?? { scale: 0, isWide: false, overflows: false };
      const scale = Math.max(need.scale, before.scale);
      // more decimal places may need more digits
      const isWide = need.isWide || before.isWide || (file !== undefined && scale > before.scale);
      return [name, { scale, isWide, overflows: need.overflows || before.overflows }];
    }),
  );
}

/**
 * What the decimals of a month need, from the units of its packs, without unpacking them. It may be too little.
 */
async function likelyNeeds(
  tx: Transaction,
  table: TieredTable,
  columns: readonly TableColumn[],
  { from, to }: Month,
): Promise<DecimalNeeds> {
  const late = await decimalNeeds(
    tx,
    columns,
    `${nameOf(table)}_late where ${table.column} >= $1 and ${table.column} < $2`,
    [from, to],
  );
  const numeric = columns.filter(({ type }) => type === 'numeric');
  if (numeric.length === 0) return late;
  const units = numeric.map(({ name }, i) => `max(scale(trim_scale(${name}_unit))) as u${i}`);
  const { rows } = await tx.query<Record<string, number | null>>(
    `select ${units.join(', ')} from ${nameOf(table)}_packed where day >= $1 and day < $2`,
    [from, to],
  );
  return Object.fromEntries(
    numeric.map(({ name }, i) => {
      const need = late[name]!;
      return [name, { ...need, scale: Math.max(need.scale, Math.min(maxScale, rows[0]![`u${i}`] ?? 0)) }];
    }),
  );
}

function closedRows(table: TieredTable): string {
  return `${nameOf(table)}_closed($1, $2)`;
}

/** What the decimals of some rows need. */
async function decimalNeeds(
  tx: Transaction,
  columns: readonly TableColumn[],
  from: string,
  values: Date[],
): Promise<DecimalNeeds> {
  const numeric = columns.filter(({ type }) => type === 'numeric');
  if (numeric.length === 0) return {};
  const aggregates = numeric.flatMap(({ name }, i) => {
    const fits = `${name} < 'Infinity' and ${name} > '-Infinity' and abs(${name}) < 1e${maxWholeDigits} and scale(trim_scale(${name})) <= ${maxScale}`;
    return [
      `max(scale(trim_scale(${name}))) filter (where ${fits}) as s${i}`,
      `coalesce(max(abs(${name})) filter (where ${fits}), 0) * (10::numeric ^ coalesce(max(scale(trim_scale(${name}))) filter (where ${fits}), 0)) >= 1e18 as w${i}`,
      `coalesce(bool_or(not (${fits})), false) as o${i}`,
    ];
  });
  const { rows } = await tx.query<Record<string, never>>(`select ${aggregates.join(', ')} from ${from}`, values);
  const row = rows[0]!;
  return Object.fromEntries(
    numeric.map(({ name }, i) => [
      name,
      { scale: row[`s${i}`] ?? 0, isWide: row[`w${i}`] ?? false, overflows: row[`o${i}`] ?? false },
    ]),
  );
}

/** The rows and the sums as Postgres counts them. Sums leave out what does not fit a decimal column. */
async function contentInPostgres(
  tx: Transaction,
  table: TieredTable,
  columns: readonly TableColumn[],
  needs: DecimalNeeds,
  { from, to }: Month,
): Promise<Pick<Content, 'rows' | 'sums'>> {
  const summed = columns.filter(({ type }) => ['numeric', 'integer', 'smallint', 'bigint'].includes(type));
  const sums = summed.map(({ name }, i) => {
    const fits = `filter (where abs(${name}) < 1e${maxWholeDigits} and scale(trim_scale(${name})) <= ${maxScale})`;
    return `coalesce(sum(${name}) ${needs[name]?.overflows ? fits : ''}, 0)::text as s${i}`;
  });
  const { rows } = await tx.query<Record<string, string>>(
    `select count(*) as rows, ${sums.join(', ')} from ${closedRows(table)}`,
    [from, to],
  );
  const [row] = rows;
  return {
    rows: Number(row!.rows),
    sums: Object.fromEntries(summed.map(({ name }, i) => [name, shortest(row![`s${i}`]!)])),
  };
}

/** A hash of the packs of a month, wherever they stand. Null if there are none. */
export async function packsHash(
  tx: Pick<Transaction, 'query'>,
  relation: string,
  { from, to }: Month,
): Promise<string | null> {
  const { rows } = await tx.query<{ hash: string | null }>(
    `select encode(sha256(string_agg(sha256(convert_to(p::text, 'UTF8')), ''::bytea order by sha256(convert_to(p::text, 'UTF8')))), 'hex') as hash
     from ${relation} as p where day >= $1 and day < $2`,
    [from, to],
  );
  return rows[0]!.hash;
}
