import { createHash } from 'node:crypto';
import { InvalidInput } from '../../shared/kernel/errors.ts';
import type { Cell, ResultSet, Snowflake } from './sources/snowflake.ts';

/** A position in a statement's result. Stored in checkpoints. */
export interface StatementPosition {
  handle: string;
  partition: number;
  /** The number of processed rows of the partition. */
  row: number;
  /** The total number of processed rows. */
  done: number;
}

/** A run of a statement, and how far it has gotten. */
export interface StatementRun {
  /** Identifies the run. A run submits a statement only once, even when it resumes. */
  run: string;
  position: StatementPosition | undefined;
  deadline: Date;
}

/** Consecutive rows of a result. An empty result has one empty chunk. */
export interface Chunk {
  /** The expected columns of each row, in their order. */
  cells: Cell[][];
  /** The number of the first row, starting at 1. */
  firstRow: number;
  createdAt: Date;
  totalRows: number;
  next: StatementPosition;
  isLast: boolean;
}

/** A column that a statement must return. */
export interface ExpectedColumn {
  name: string;
  /** Whether it must be of one of Snowflake's timestamp types. Other columns may have any type. */
  isTime: boolean;
}

const partitionsInFlight = 3;
const chunkSize = 50_000;

/**
 * The rows of a statement, in order, from a position on, at most 50,000 at a time. Up to three partitions are fetched
 * concurrently. If Snowflake no longer has the result, the statement is submitted again and read from the start.
 *
 * @throws Deadline      Snowflake did not finish in time (retryable: the same run finds the statement again)
 * @throws InvalidInput  Snowflake rejected the statement, or an expected column is missing
 */
export async function* readStatement(
  snowflake: Snowflake,
  statement: { table: string; text: string; bindings: readonly string[]; columns: readonly ExpectedColumn[] },
  { run, position, deadline }: StatementRun,
): AsyncIterable<Chunk> {
  const requestId = requestIdFor(`${run} ${statement.text} ${statement.bindings.join(' ')}`);
  const existing = position && (await snowflake.find(position.handle, deadline));
  const result =
    existing ??
    (await snowflake.run(
      { ...statement, requestId: position ? requestIdFor(`${requestId} ${position.handle}`) : requestId },
      deadline,
    ));
  const places = placesOf(statement, result);
  const from = existing ? position! : { handle: result.handle, partition: 0, row: 0, done: 0 };
  const totalRows = result.partitions.reduce((all, rows) => all + rows, 0);
  if (totalRows === 0) {
    yield { cells: [], firstRow: 1, createdAt: result.createdAt, totalRows, next: from, isLast: true };
    return;
  }
  const partitions = fetchAhead(snowflake, result, from.partition);
  let { row, done } = from;
  for (let partition = from.partition; partition < result.partitions.length; partition++) {
    const cells = (await partitions.next()).value!;
    for (; row < cells.length; row += chunkSize) {
      const chunk = cells.slice(row, row + chunkSize).map((one) => places.map((place) => one[place] ?? null));
      const endsPartition = row + chunk.length >= cells.length;
      const next = {
        handle: result.handle,
        partition: endsPartition ? partition + 1 : partition,
        row: endsPartition ? 0 : row + chunk.length,
        done: done + chunk.length,
      };
      const common = { createdAt: result.createdAt, totalRows, next, isLast: next.done >= totalRows };
      yield { cells: chunk, firstRow: done + 1, ...common };
      done += chunk.length;
    }
    row = 0;
  }
}

/** The partitions from one on, in order. Fetches up to three at a time. */
async function* fetchAhead(snowflake: Snowflake, result: ResultSet, from: number): AsyncGenerator<Cell[][], undefined> {
  const inFlight: Promise<Cell[][]>[] = [];
  for (let next = from; next < result.partitions.length || inFlight.length > 0; ) {
    while (inFlight.length < partitionsInFlight && next < result.partitions.length) {
      const fetched = snowflake.fetchPartition(result, next++);
      // avoids an unhandled rejection; the error is thrown where the partition is awaited
      fetched.catch(() => {});
      inFlight.push(fetched);
    }
    yield await inFlight.shift()!;
  }
  return undefined;
}

/**
 * The places of the expected columns in the rows of a result. The values decide whether a column of another type can be
 * read, except for times: a date has days where a timestamp has seconds.
 *
 * @throws InvalidInput  a column is missing, or is not a timestamp
 */
function placesOf(
  { table, columns: expected }: { table: string; columns: readonly ExpectedColumn[] },
  { columns }: ResultSet,
): number[] {
  const places = expected.map(({ name }) => columns.findIndex((column) => column.name === name));
  const missing = expected.filter((_, i) => places[i] === -1).map(({ name }) => name);
  if (missing.length > 0)
    throw new InvalidInput(`The warehouse's table ${table} has lost ${missing.join(', ')}. Add it again.`);
  for (const [i, { name, isTime }] of expected.entries()) {
    const { type } = columns[places[i]!]!;
    if (isTime && !type.startsWith('timestamp'))
      throw new InvalidInput(
        `The column ${name} of the warehouse's table ${table} is now a ${type}. Make it a timestamp again.`,
      );
  }
  return places;
}

/** A UUID derived from a string. */
function requestIdFor(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
