import { createHash } from 'node:crypto';
import { InvalidInput, Upstream } from '../../shared/kernel/errors.ts';
import type { Cell, ResultSet, Snowflake } from './sources/snowflake.ts';

/** A statement's place in its result; as a checkpoint keeps it. */
export interface StatementPosition {
  handle: string;
  partition: number;
  /** Rows of the partition that are done. */
  row: number;
  /** Rows done in all. */
  done: number;
}

/** Where a run is with its statement. */
export interface StatementPlace {
  /** Names the run: the same run submits the same statement once. */
  run: string;
  position: StatementPosition | undefined;
  deadline: Date;
}

/** Rows of a result, in order; a result without rows is one chunk without rows. */
export interface Chunk {
  cells: Cell[][];
  /** The number of the first, from 1. */
  firstRow: number;
  createdAt: Date;
  totalRows: number;
  next: StatementPosition;
  isLast: boolean;
}

/** What a statement gives for each column: Snowflake's type, with all timestamps as one. */
export interface WantedColumn {
  name: string;
  type: 'fixed' | 'text' | 'timestamp' | 'boolean';
}

const partitionsInFlight = 3;
const rowsAChunk = 50_000;

/**
 * The rows of a statement from a position on, at most 50,000 at a time. Three partitions are fetched ahead of the one that
 * is being worked on; they come out in order. A result that Snowflake keeps no more is asked for anew, from its beginning.
 *
 * @throws Deadline      the warehouse is not done with it in time (retryable: the same run finds it again)
 * @throws InvalidInput  Snowflake refuses the statement, or a column is not what it should be
 */
export async function* readStatement(
  snowflake: Snowflake,
  statement: { text: string; bindings: readonly string[]; columns: readonly WantedColumn[] },
  { run, position, deadline }: StatementPlace,
): AsyncIterable<Chunk> {
  const requestId = requestIdOf(`${run} ${statement.text} ${statement.bindings.join(' ')}`);
  const kept = position && (await snowflake.find(position.handle, deadline));
  const result =
    kept ??
    (await snowflake.run(
      { ...statement, requestId: position ? requestIdOf(`${requestId} ${position.handle}`) : requestId },
      deadline,
    ));
  checkColumns(result, statement.columns);
  const from = kept ? position! : { handle: result.handle, partition: 0, row: 0, done: 0 };
  const totalRows = result.partitions.reduce((all, rows) => all + rows, 0);
  if (totalRows === 0) {
    yield { cells: [], firstRow: 1, createdAt: result.createdAt, totalRows, next: from, isLast: true };
    return;
  }
  const partitions = fetchAhead(snowflake, result, from.partition);
  let { row, done } = from;
  for (let partition = from.partition; partition < result.partitions.length; partition++) {
    const cells = (await partitions.next()).value!;
    for (; row < cells.length; row += rowsAChunk) {
      const chunk = cells.slice(row, row + rowsAChunk);
      const isPartitionsEnd = row + chunk.length >= cells.length;
      const next = {
        handle: result.handle,
        partition: isPartitionsEnd ? partition + 1 : partition,
        row: isPartitionsEnd ? 0 : row + chunk.length,
        done: done + chunk.length,
      };
      const common = { createdAt: result.createdAt, totalRows, next, isLast: next.done >= totalRows };
      yield { cells: chunk, firstRow: done + 1, ...common };
      done += chunk.length;
    }
    row = 0;
  }
}

/** The partitions from one on, in order, three of them on their way at a time. */
async function* fetchAhead(snowflake: Snowflake, result: ResultSet, from: number): AsyncGenerator<Cell[][], undefined> {
  const coming: Promise<Cell[][]>[] = [];
  for (let next = from; next < result.partitions.length || coming.length > 0; ) {
    while (coming.length < partitionsInFlight && next < result.partitions.length) {
      const fetched = snowflake.fetchPartition(result, next++);
      // it is looked at when its turn comes
      fetched.catch(() => {});
      coming.push(fetched);
    }
    yield await coming.shift()!;
  }
  return undefined;
}

function checkColumns({ columns }: ResultSet, wanted: readonly WantedColumn[]): void {
  const found = columns.map(({ name, type }) => `${name} ${type.startsWith('timestamp') ? 'timestamp' : type}`);
  const expected = wanted.map(({ name, type }) => `${name} ${type}`);
  if (found.join() === expected.join()) return;
  throw new InvalidInput(`The warehouse gives the columns ${found.join(', ')}; wanted are ${expected.join(', ')}.`);
}

/** A UUID that follows from a text. */
function requestIdOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

const epochText = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?(?: \d{1,4})?$/;

/**
 * A timestamp of any kind and precision (`1613864607.123456789`, with a zone `… 1440`) in microseconds since 1970; what is
 * finer is cut off towards the past.
 *
 * @throws Upstream  it is none
 */
export function microsOf(cell: string): bigint {
  const match = epochText.exec(cell);
  if (!match) throw new Upstream(`${cell} is no timestamp of Snowflake's.`);
  const [, sign, seconds, fraction = ''] = match;
  const nanos = BigInt(seconds!) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'));
  const signed = sign === '-' ? -nanos : nanos;
  return signed >= 0n ? signed / 1_000n : -((-signed + 999n) / 1_000n);
}
