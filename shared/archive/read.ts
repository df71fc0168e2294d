import sql, { raw } from 'sql-template-tag';
import type { Source } from '../cache/view.ts';
import { readProvably } from '../db/read.ts';
import { decimalText } from '../files/parquet-types.ts';
import { InvalidInput, NotFound, Unavailable } from '../kernel/errors.ts';
import type { ReadWorkload } from '../kernel/operation.ts';
import { type Archived, type ArchivedRange, archivedOf, type FileRows } from './archived.ts';
import { type Batch, rowsIn } from './batch.ts';
import { columnsSql, filesSql, type MonthFile } from './catalog.ts';
import { type FileColumn, overflowSuffix, type TableColumn } from './columns.ts';
import { fileSource } from './objects.ts';
import { fileRows, openFile } from './read-file.ts';

/** What a table has in files. */
interface Markers {
  archivedUntil: Date | null;
  columns: TableColumn[];
  files: MonthFile[];
}

/** Far less than the time for which the rows of a file also stay in Postgres. */
const markersMs = 30_000;
/** That a statement gets of a range. Others are read past. */
const maxRows = 500_000;

const known = new Map<string, { at: number; markers: Promise<Markers> }>();

/** The next read asks what is in files. */
export function forgetMarkers(): void {
  known.clear();
}

/**
 * What the files contain of the ranges, and whether any file was read.
 *
 * It may be known late that a month has gone to a file, or that a file was replaced: Postgres keeps the rows for
 * minutes after that. Rows that Postgres has too are not shown twice.
 *
 * @throws InvalidInput  the ranges have too many rows in files
 * @throws Unavailable   a file could not be read (retryable)
 */
export async function readArchived(
  ranges: readonly ArchivedRange[],
  source: Source,
  workload: ReadWorkload,
): Promise<{ archived: Archived; areFilesRead: boolean }> {
  let areFilesRead = false;
  const found: FileRows[] = [];
  for (const range of ranges) {
    const { archivedUntil, columns, files } = await markersOf(range.table, source, workload);
    const inRange = files.filter((file) => monthStart(file) < range.until && monthEnd(file) > range.since);
    let rows = '{}';
    if (inRange.length > 0) {
      areFilesRead = true;
      rows = await literalOf(range, inRange, columns, await seriesOf(range, source, workload));
    }
    found.push({ range, until: archivedUntil ?? undefined, rows });
  }
  return { archived: archivedOf(found), areFilesRead };
}

/** Changes that make the markers wrong are rare, so that a hot read seldom pays for them. */
function markersOf(table: string, source: Source, workload: ReadWorkload): Promise<Markers> {
  const kept = known.get(table);
  if (kept && Date.now() - kept.at < markersMs) return kept.markers;
  const markers = readMarkers(table, source, workload);
  known.set(table, { at: Date.now(), markers });
  markers.catch(() => known.delete(table));
  return markers;
}

async function readMarkers(table: string, source: Source, workload: ReadWorkload): Promise<Markers> {
  const statement = sql`
    select nullif(archived_until, '-infinity') as "archivedUntil", ${raw(columnsSql('name'))} as columns,
      ${raw(filesSql('tiers.name'))} as files
    from platform.tiers where name = ${table}`;
  const { rows } = await readProvably<Markers>(statement, hostOf(source), workload);
  return rows[0]!;
}

async function seriesOf(range: ArchivedRange, source: Source, workload: ReadWorkload): Promise<number[]> {
  const statement = sql`select array(${range.series}) as ids`;
  const { rows } = await readProvably<{ ids: (number | string)[] }>(statement, hostOf(source), workload);
  return rows[0]!.ids.map(Number);
}

/** Nothing has to be proven: the statement that follows is. */
function hostOf({ host }: Source): Source {
  return host === 'writer' ? { host } : { host: 'replica' };
}

function monthStart({ month }: MonthFile): Date {
  return new Date(`${month}T00:00:00Z`);
}

function monthEnd(file: MonthFile): Date {
  const start = monthStart(file);
  return new Date(Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + 1));
}

/** The rows of a range as an array of the table's row type, in Postgres' text format. */
async function literalOf(
  range: ArchivedRange,
  files: readonly MonthFile[],
  columns: readonly TableColumn[],
  series: readonly number[],
): Promise<string> {
  const { rowsPerSeries = Number.POSITIVE_INFINITY, fromEnd = false } = range;
  const open = new Map(series.map((id) => [id, [] as string[]]));
  let total = 0;
  for (const file of fromEnd ? [...files].reverse() : files) {
    const wanting = [...open].filter(([, rows]) => rows.length < rowsPerSeries).map(([id]) => id);
    if (wanting.length === 0) break;
    const ofMonth = new Map(wanting.map((id) => [id, [] as string[]]));
    for await (const [id, row] of rowsOf(file, range, columns, wanting)) {
      const rows = ofMonth.get(id)!;
      const isFull = open.get(id)!.length + rows.length >= rowsPerSeries;
      if (isFull && !fromEnd) continue;
      if (isFull) rows.shift();
      else total++;
      rows.push(row);
      if (total > maxRows) throw tooMany();
    }
    for (const [id, rows] of ofMonth) open.set(id, fromEnd ? [...rows, ...open.get(id)!] : [...open.get(id)!, ...rows]);
  }
  const kept = [...open.values()].flatMap((rows) =>
    fromEnd ? rows.slice(-rowsPerSeries) : rows.slice(0, rowsPerSeries),
  );
  return `{${kept.join(',')}}`;
}

function tooMany(): InvalidInput {
  return new InvalidInput(`The range has more than ${maxRows} rows in the archive, the limit. Ask for less time.`);
}

/** @throws Unavailable  the file could not be read, is gone, or is another one (retryable) */
async function* rowsOf(
  file: MonthFile,
  range: ArchivedRange,
  columns: readonly TableColumn[],
  series: readonly number[],
): AsyncIterable<[number, string]> {
  try {
    yield* wantedRows(file, range, columns, series);
  } catch (cause) {
    if (!(cause instanceof NotFound || cause instanceof InvalidInput)) throw cause;
    // the list of files may be an old one
    forgetMarkers();
    throw new Unavailable('A file of the archive is not there as it was archived. Retry.', { cause });
  }
}

async function* wantedRows(
  file: MonthFile,
  { since, until }: ArchivedRange,
  columns: readonly TableColumn[],
  series: readonly number[],
): AsyncIterable<[number, string]> {
  const { manifest, etag } = file;
  const opened = await openFile(fileSource(file), etag, manifest.footer);
  const at = (name: string) => opened.columns.findIndex((one) => one.name === name);
  const key = { series: at(manifest.series), time: at(manifest.time) };
  const wanted = { key, series, since: microsOf(since), until: microsOf(until) };
  const toText = rowText(columns, opened.columns);
  for await (const batch of fileRows(opened, wanted))
    for (let i = 0; i < rowsIn(batch); i++) yield [Number(batch[key.series]![i]), toText(batch, i)];
}

function microsOf(time: Date): bigint {
  return BigInt(time.getTime()) * 1_000n;
}

/** Makes the text of a row, quoted as an element of an array. */
export function rowText(columns: readonly TableColumn[], stored: readonly FileColumn[]) {
  const fields = columns.map(({ name }) => {
    const [at, overflow] = [name, `${name}${overflowSuffix}`].map((one) => stored.findIndex((o) => o.name === one));
    return { at: at!, overflow: overflow!, toText: at! < 0 ? String : textOf(stored[at!]!) };
  });
  return (batch: Batch, i: number): string => {
    const texts = fields.map(({ at, overflow, toText }) => {
      const value = at < 0 ? null : batch[at]![i];
      if (value !== null) return toText(value);
      return overflow < 0 ? '' : ((batch[overflow]![i] as string | null) ?? '');
    });
    return `"(${texts.join(',')})"`;
  };
}

function textOf({ kind, scale }: FileColumn): (value: unknown) => string {
  switch (kind) {
    case 'decimal':
      return (value) => decimalText(value as bigint, scale);
    case 'time':
      return (value) => timeText(value as bigint);
    case 'text':
      return (value) => quoted(value as string);
    default:
      return String;
  }
}

function timeText(micros: bigint): string {
  const rest = ((micros % 1_000n) + 1_000n) % 1_000n;
  const text = new Date(Number((micros - rest) / 1_000n)).toISOString();
  return rest === 0n ? text : `${text.slice(0, -1)}${String(rest).padStart(3, '0')}Z`;
}

/** A text within a row within an array: both quote it. */
function quoted(value: string): string {
  if (/^[\w.:-]+$/.test(value)) return value;
  const inRow = `"${value.replaceAll('\\', '\\\\').replaceAll('"', '""')}"`;
  return inRow.replaceAll('\\', '\\\\').replaceAll('"', '\\"');
}
