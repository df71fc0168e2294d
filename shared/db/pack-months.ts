/**
 * Moves the months of tiered tables from hot to warm. A month goes through these states, of which a row of platform.tiers
 * and the catalog tell the current one, so that the next run continues where one was cut off:
 *
 *     open ──close──▶ closed ──pack──▶ packed ──detach, drop──▶ gone from the table
 *
 * - Close: rows of the month that are written from now on go to the late rows. It waits for the transactions that write
 *   rows to the table, so that then the month's partition no longer changes.
 * - Pack: the series are packed in chunks, in order, and each chunk is committed. No read looks at the packs yet. When all
 *   are there, one transaction compares the whole month with its packs, and lets reads use them instead.
 * - Late rows are merged into packs, in rounds.
 * - Drop: a while after the packs took over, when the reads that began before have ended, the partition is detached and
 *   dropped, if each of its rows is in a pack.
 */
import { Integrity } from '../kernel/errors.ts';
import type { TieredTable } from '../kernel/table.ts';
import { log } from '../observability/log.ts';
import { dropPartitions } from './expired-partitions.ts';
import { createPackPartition, type LateKey, mergeLateRows } from './late-rows.ts';
import { isLockTimeout, withLockRetries } from './lock-retries.ts';
import { dayOf, fingerprint, packStatement } from './pack-sql.ts';
import { type Period, periodAt } from './partitions.ts';
import { inSession } from './session.ts';
import { valueColumns } from './tiered-columns.ts';
import { tiersSession } from './tiers.ts';
import { inTransaction, type Transaction } from './transaction.ts';

/** What has just been committed. */
export type PackStep = 'closed' | 'partition created' | 'chunk packed' | 'packed' | 'merged' | 'detached' | 'dropped';

export interface PackRun {
  now: Date;
  /** No further step begins after it. */
  deadline: Date;
  /** Called after each step, for tests. */
  onStep?: (step: PackStep) => Promise<void>;
  /** How long a packed month's partition stays. By the database's clock. */
  graceMs?: number;
  /** Rows per chunk. */
  chunkRows?: number;
}

/** What a run did to a table. */
export interface Packed {
  table: string;
  /** The months that were packed, as `202609`. */
  months: string[];
  mergedRows: number;
  droppedPartitions: string[];
}

const defaults = { graceMs: 600_000, chunkRows: 500_000, onStep: async () => {} };
const closeTimeout = '10s';
const closeGiveUpAfterMs = 60_000;
const dayMs = 86_400_000;

/**
 * Packs the months of a table that are no longer hot, merges its late rows, and drops what was packed before. Undefined if
 * another run is at it, or the archive. What is left at the deadline is done by the next run.
 *
 * @throws Integrity    packs do not hold what they should: the month stays as it is
 * @throws Unavailable  the database failed, or a lock was not granted in time (retryable)
 */
export function packTable(table: TieredTable, options: PackRun): Promise<Packed | undefined> {
  const run = { ...defaults, ...options };
  return inSession(tiersSession(nameOf(table)), { lockMs: 0, statementMs: 0 }, async () => {
    const packed: Packed = { table: nameOf(table), months: [], mergedRows: 0, droppedPartitions: [] };
    await closeMonths(table, run);
    for (let month = await nextMonth(table); month && hasTime(run); month = await nextMonth(table)) {
      if (!(await packMonth(table, month, run))) break;
      packed.months.push(month.label);
    }
    packed.mergedRows = await mergeAll(table, run);
    if (hasTime(run)) packed.droppedPartitions = await dropPacked(table, run);
    log.info('table packed', { ...packed });
    return packed;
  });
}

type Run = Required<PackRun>;

function hasTime({ deadline }: Run): boolean {
  return Date.now() < deadline.getTime();
}

/** Closes all months whose last day is older than the tier's hot days. */
async function closeMonths(table: TieredTable, run: Run): Promise<void> {
  const hotSince = new Date(run.now.getTime() - table.tiers.hotDays * dayMs);
  const until = periodAt('month', hotSince, 0).from;
  const isClosed = await withLockRetries(
    () =>
      inTransaction(async (tx) => {
        await tx.query(`set local lock_timeout = '${closeTimeout}'`);
        const { rowCount } = await tx.query(
          'update platform.tiers set closed_until = $2 where name = $1 and closed_until < $2',
          [nameOf(table), until],
        );
        return rowCount !== 0;
      }),
    closeGiveUpAfterMs,
  ).catch((error: unknown) => {
    if (!isLockTimeout(error)) throw error;
    log.warn('months left open to the next run', { table: nameOf(table), error });
    return false;
  });
  if (isClosed) await run.onStep('closed');
}

/** The first month that is closed and not packed. */
async function nextMonth(table: TieredTable): Promise<Period | undefined> {
  const tiers = await inTransaction((tx) => readTiers(tx, table));
  return tiers.packedUntil < tiers.closedUntil ? periodAt('month', tiers.packedUntil, 0) : undefined;
}

async function readTiers(tx: Transaction, table: TieredTable): Promise<{ closedUntil: Date; packedUntil: Date }> {
  const { rows } = await tx.query<{ closedUntil: Date; packedUntil: Date }>(
    'select closed_until as "closedUntil", packed_until as "packedUntil" from platform.tiers where name = $1',
    [nameOf(table)],
  );
  return rows[0]!;
}

/** False if there was not enough time. */
async function packMonth(table: TieredTable, month: Period, run: Run): Promise<boolean> {
  if (await createPackPartition(table, month.from)) await run.onStep('partition created');
  for (let isLast = false; !isLast; ) {
    if (!hasTime(run)) return false;
    isLast = await inTransaction((tx) => packChunk(tx, table, month, run.chunkRows));
    if (!isLast) await run.onStep('chunk packed');
  }
  if (!hasTime(run)) return false;
  await inTransaction((tx) => verifyMonth(tx, table, month));
  await run.onStep('packed');
  return true;
}

/** Packs the series after the last one that has packs. True if none is left. */
async function packChunk(tx: Transaction, table: TieredTable, month: Period, chunkRows: number): Promise<boolean> {
  const { column, tiers } = table;
  const name = nameOf(table);
  const parameters = [month.from, month.to];
  const { rows: packed } = await tx.query<{ last: string | null }>(
    `select max(${tiers.series})::text as last from ${name}_packed where day >= $1 and day < $2`,
    parameters,
  );
  const last = packed[0]!.last;
  const isInMonth = `${column} >= '${month.from.toISOString()}' and ${column} < '${month.to.toISOString()}'`;
  const isLeft = last === null ? isInMonth : `${isInMonth} and ${tiers.series} > ${literal(last)}`;
  const { rows: next } = await tx.query<{ last: string | null }>(
    `select max(${tiers.series})::text as last
     from (select ${tiers.series} from ${name} where ${isLeft} order by 1 limit ${chunkRows}) as chunk`,
  );
  const chunkLast = next[0]!.last;
  if (chunkLast === null) return true;
  const columns = await valueColumns(tx, table);
  await tx.query(
    packStatement(
      table,
      columns,
      `(select * from ${name} where ${isLeft} and ${tiers.series} <= ${literal(chunkLast)})`,
    ),
  );
  return false;
}

/** Compares a month with its packs, and lets reads use them. */
async function verifyMonth(tx: Transaction, table: TieredTable, month: Period): Promise<void> {
  const name = nameOf(table);
  const columns = await valueColumns(tx, table);
  const period = [month.from, month.to];
  const isInMonth = `${table.column} >= $1 and ${table.column} < $2`;
  const raw = await fingerprint(tx, table, columns, `(select * from ${name} where ${isInMonth})`, period);
  const packs = await fingerprint(tx, table, columns, `${name}_unpacked(null, $1, $2)`, period);
  if (raw.rows !== packs.rows || raw.hash !== packs.hash)
    throw new Integrity(`The packs of ${name} for ${month.label} do not hold its rows.`, { details: { raw, packs } });
  await tx.query(
    'update platform.tiers set packed_until = $3, packed_at = now() where name = $1 and packed_until = $2',
    [name, month.from, month.to],
  );
}

async function mergeAll(table: TieredTable, run: Run): Promise<number> {
  let merged = 0;
  for (let after: LateKey | undefined; hasTime(run); ) {
    const round = await mergeLateRows(table, after);
    if (!round) break;
    after = round.last;
    merged += round.merged;
    await run.onStep('merged');
  }
  return merged;
}

/** Drops the partitions of packed months, if the last of them was packed long enough ago. */
async function dropPacked(table: TieredTable, run: Run): Promise<string[]> {
  const name = nameOf(table);
  const { rows } = await inTransaction((tx) =>
    tx.query<{ before: Date; isDue: boolean }>(
      `select packed_until as before,
         packed_at < clock_timestamp() - $2 * interval '1 millisecond' as "isDue"
       from platform.tiers where name = $1`,
      [name, run.graceMs],
    ),
  );
  const { before, isDue } = rows[0]!;
  if (!isDue) return [];
  const incomplete = new Set<string>();
  const dropped = await dropPartitions({
    table: name,
    before,
    onStep: run.onStep,
    async mustKeep(session, partition) {
      const { rowCount } = await session.query(unpackedRowOf(table, partition), [name]);
      if (rowCount !== 0) incomplete.add(partition);
      return rowCount !== 0;
    },
  });
  if (incomplete.size > 0)
    throw new Integrity(`Packed partitions of ${name} have rows that no pack has.`, {
      details: { partitions: [...incomplete] },
    });
  return dropped;
}

/** SQL that finds a day of a series of which a partition has more rows than its pack. Archived months have no packs. */
function unpackedRowOf({ schema, name, column, tiers }: TieredTable, partition: string): string {
  return `select from (
      select ${tiers.series}, ${dayOf(column)} as day, count(*) as rows from ${partition}
      where ${column} >= (select archived_until from platform.tiers where name = $1) group by 1, 2
    ) as raw
    left join ${schema}.${name}_packed p using (${tiers.series}, day)
    where raw.rows > coalesce(cardinality(p.offsets), 0) limit 1`;
}

function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function nameOf({ schema, name }: TieredTable): string {
  return `${schema}.${name}`;
}
