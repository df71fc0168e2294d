/**
 * Moves the oldest months of a tiered table to files, and drops them from Postgres once the files are proven.
 *
 *     exporting ─▶ exported ─▶ uploaded ─▶ verified ─▶ switched ┄grace┄▶ detaching ─▶ dropped
 *         ▲                                                                  │          │ late rows: a new version
 *         └───────────────── the packs changed since the export ─────────────┘          ▼
 *         ▲                                                                         exporting
 *
 * - *exporting*: the rows of the month are written to a file, from one snapshot: its packs, its late rows, and the rows of
 *   the file that readers use, if there is one. A late row wins over a packed one, and both win over the file's.
 * - *uploaded*: the object is in S3. *verified*: it was read back, and has the rows, sums, and hash of what was exported.
 * - *switched*: in one transaction, readers get the new file, and `archived_until` moves past the month. Reads that began
 *   before still find everything in Postgres, because nothing is deleted during the grace.
 * - After the grace, the late rows that are in the file are deleted: exactly those that equal a row of the file. The
 *   partition of packs is detached. If its packs are not those that were exported, it is attached again, and all begins
 *   anew; else it is dropped in the transaction that compared them. Last, the previous version of the file is deleted.
 *
 * The state is stored after each step, and each step can be repeated. So a run that is killed anywhere is continued by the
 * next. Months go in order, oldest first; one that cannot go on holds up those after it.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { boundsOf } from '../db/partition-bounds.ts';
import { inSession, type Session } from '../db/session.ts';
import { tiersSession } from '../db/tiers.ts';
import { inTransaction } from '../db/transaction.ts';
import { sourceOfFile } from '../files/local-file.ts';
import { Integrity } from '../kernel/errors.ts';
import type { TieredTable } from '../kernel/table.ts';
import { log } from '../observability/log.ts';
import type { Manifest, MonthFile } from './catalog.ts';
import { deleteLateRows } from './delete-late-rows.ts';
import { type Exported, exportMonth, type Month, nameOf, packsHash } from './export.ts';
import { monthsToArchive } from './months.ts';
import { deleteFile, keyOf, putFile, putManifest } from './objects.ts';
import { footerMarkOf } from './read-file.ts';
import { type MonthState, moveTo, type NextVersion, setState, stateOf } from './state.ts';
import { verifyFile } from './verify.ts';

/** The points between two side effects. A run killed at any of them loses nothing. */
export const killPoints = [
  'begun',
  'written',
  'exported',
  'put',
  'described',
  'uploaded',
  'read back',
  'verified',
  'switched',
  'late rows deleted',
  'detaching',
  'detached',
  'compared',
  'attached again',
  'dropped',
  'previous version deleted',
] as const;

export type KillPoint = (typeof killPoints)[number];

export interface ArchiveOptions {
  now: Date;
  /** How long readers must have used a file before anything is deleted, by the database's clock. Default: 10 minutes. */
  graceMs?: number;
  /** No month is begun after this. */
  deadline?: Date;
  /** Tests stop a run here. */
  at?(point: KillPoint, month: string): Promise<void> | void;
}

/** Longer than any read takes, with the time for which readers may know an old list of files, and the lag of a replica. */
export const defaultGraceMs = 600_000;
/** DETACH waits for the transactions that use the table, and blocks nobody. */
const timeouts = { lockMs: 20_000, statementMs: 0 };

/**
 * Archives the months of a table that are due, and returns how many went one step or more. Undefined if another run moves
 * months of the table.
 *
 * @throws Unavailable  the database or S3 failed (retryable)
 * @throws Integrity    a file in S3 is not what was verified: nothing was dropped
 */
export async function archiveTable(table: TieredTable, options: ArchiveOptions): Promise<number | undefined> {
  return inSession(tiersSession(nameOf(table)), timeouts, async (session) => {
    let moved = 0;
    for (const month of await monthsToArchive(session, table, options.now)) {
      if (options.deadline && new Date() >= options.deadline) break;
      if (await advance(session, table, month, options)) moved++;
      const state = await stateOf(session, nameOf(table), month);
      if (!isPassed(state) && (await isNext(session, table, month))) break;
    }
    return moved;
  });
}

/** Whether readers use the month's file, so that the next month can follow. */
function isPassed(state: MonthState | undefined): boolean {
  return state !== undefined && ['switched', 'detaching', 'dropped'].includes(state.state);
}

/** Whether the month is not behind `archived_until`. */
async function isNext(session: Session, table: TieredTable, { from }: Month): Promise<boolean> {
  const { rowCount } = await session.query('select from platform.tiers where name = $1 and archived_until <= $2', [
    nameOf(table),
    from,
  ]);
  return rowCount !== 0;
}

/** Takes a month as far as it can go now. True if it moved. */
async function advance(session: Session, table: TieredTable, month: Month, options: ArchiveOptions): Promise<boolean> {
  const name = nameOf(table);
  const { at = () => {}, graceMs = defaultGraceMs, now } = options;
  const reach = (point: KillPoint) => at(point, month.day);
  let isMoved = false;
  for (;;) {
    const current = await stateOf(session, name, month);
    if (current?.state === 'restored' && (current.heldUntil ?? now) > now) return isMoved;
    switch (current?.state) {
      case 'expired':
        return isMoved;
      case 'uploaded':
        await verify(name, month, current.next!, reach);
        break;
      case 'verified':
        await switchReaders(name, month, current, reach);
        break;
      case 'switched':
        if (current.readForMs < graceMs) return isMoved;
        await deleteLateRows(table, month, current.file!);
        await reach('late rows deleted');
        await beginDetach(session, name, month);
        await reach('detaching');
        break;
      case 'detaching':
        await drop(session, name, month, current, reach);
        break;
      case 'dropped':
        if (current.previousKey !== null) await deletePrevious(name, month, current.previousKey, reach);
        if (isMoved || !(await hasLateRows(session, table, month))) return isMoved;
        // what was only delivered again needs no new version
        await deleteLateRows(table, month, current.file!);
        if (!(await hasLateRows(session, table, month))) return isMoved;
        await exportAndUpload(table, month, current, reach);
        break;
      default:
        await exportAndUpload(table, month, current, reach);
    }
    isMoved = true;
  }
}

async function hasLateRows(session: Session, table: TieredTable, { from, to }: Month): Promise<boolean> {
  const { rowCount } = await session.query(
    `select from ${nameOf(table)}_late where ${table.column} >= $1 and ${table.column} < $2 limit 1`,
    [from, to],
  );
  return rowCount !== 0;
}

type Reach = (point: KillPoint) => Promise<void> | void;

async function exportAndUpload(
  table: TieredTable,
  month: Month,
  current: MonthState | undefined,
  reach: Reach,
): Promise<void> {
  const name = nameOf(table);
  // what an attempt before this left in S3
  if (current?.next && current.next.key !== current.file?.key) await deleteFile(current.next.key);
  const key = keyOf(name, month.day, `v${Date.now()}-${randomBytes(4).toString('hex')}`);
  const next: NextVersion = { key };
  await moveTo(name, month, 'exporting', 'next = $4', [JSON.stringify(next)]);
  await reach('begun');
  const folder = await mkdtemp(join(tmpdir(), 'tributary-archive-'));
  try {
    const path = join(folder, 'month.parquet');
    const exported = await inTransaction((tx) => exportMonth(tx, table, month, path, current?.file), 'repeatable read');
    await reach('written');
    const manifest = await manifestOf(exported, path);
    await moveTo(name, month, 'exported', 'next = $4', [JSON.stringify({ ...next, manifest })]);
    await reach('exported');
    const { etag, bytes } = await putFile(key, path);
    await reach('put');
    await putManifest(key, manifest);
    await reach('described');
    await moveTo(name, month, 'uploaded', 'next = $4', [JSON.stringify({ ...next, manifest, etag, bytes })]);
    await reach('uploaded');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @throws Integrity  what was written is not what Postgres counts */
async function manifestOf({ inPostgres, ...exported }: Exported, path: string): Promise<Manifest> {
  if (inPostgres && !isSame(inPostgres, exported))
    throw new Integrity('The rows or sums of an exported month differ from those of the table.', {
      details: { inPostgres, rows: exported.rows, sums: exported.sums },
    });
  return { ...exported, footer: await footerMarkOf(await sourceOfFile(path)) };
}

function isSame(a: Pick<Manifest, 'rows' | 'sums'>, b: Pick<Manifest, 'rows' | 'sums'>): boolean {
  return a.rows === b.rows && Object.entries(a.sums).every(([name, sum]) => b.sums[name] === sum);
}

/** A file that is not as exported is exported again, by the next run. */
async function verify(name: string, month: Month, next: NextVersion, reach: Reach): Promise<void> {
  const { key, etag, bytes, manifest } = next as Required<NextVersion>;
  const problem = await verifyFile({ month: month.day, key, etag, bytes, rows: manifest.rows, manifest });
  await reach('read back');
  if (problem !== undefined) {
    await moveTo(name, month, 'exporting');
    throw new Integrity(`A file of the archive is not what was exported: ${problem}. Nothing was dropped.`, {
      details: { key },
    });
  }
  await moveTo(name, month, 'verified');
  await reach('verified');
}

async function switchReaders(name: string, month: Month, { next, file }: MonthState, reach: Reach): Promise<void> {
  const { key, etag, bytes, manifest } = next as Required<NextVersion>;
  await inTransaction(async (tx) => {
    await setState(
      tx,
      name,
      month,
      'switched',
      `previous_key = key, key = $4, etag = $5, bytes = $6, rows = $7, manifest = $8, next = null,
       read_since = clock_timestamp(), held_until = null`,
      [key, etag, bytes, manifest.rows, JSON.stringify(manifest)],
    );
    await tx.query('update platform.tiers set archived_until = greatest(archived_until, $2) where name = $1', [
      name,
      month.to,
    ]);
  });
  log.info('month archived', { table: name, month: month.day, key, rows: manifest.rows, bytes, replaced: file?.key });
  await reach('switched');
}

/** Stores which partition is about to be detached, so that it is found again afterwards. */
async function beginDetach(session: Session, name: string, month: Month): Promise<void> {
  const partition = await packsOf(session, name, month);
  await moveTo(name, month, 'detaching', 'partition = $4', [partition ? JSON.stringify(partition) : null]);
}

async function packsOf(session: Session, name: string, { from, to }: Month) {
  const { rows } = await session.query<{ name: string; bounds: string; isPending: boolean }>(
    `select name, bounds, "isPending" from (${boundsOf}) as b where since = $2 and until = $3`,
    [`${name}_packed`, from, to],
  );
  return rows[0];
}

async function drop(
  session: Session,
  name: string,
  month: Month,
  { file, partition }: MonthState,
  reach: Reach,
): Promise<void> {
  const attached = await packsOf(session, name, month);
  if (attached)
    await session.query(
      `alter table ${name}_packed detach partition ${attached.name} ${attached.isPending ? 'finalize' : 'concurrently'}`,
    );
  await reach('detached');
  await assertFileStands(file!);
  const isDropped = await dropIfArchived(name, month, file!, partition, reach);
  if (isDropped) return void (await reach('dropped'));
  await session.query(`alter table ${name}_packed attach partition ${partition!.name} ${partition!.bounds}`);
  log.warn('packs changed after their export, and are exported again', { table: name, month: month.day });
  await reach('attached again');
  await moveTo(name, month, 'exporting', 'partition = null');
}

/** Drops the detached partition in the transaction that compares it with what was exported. False if they differ. */
function dropIfArchived(
  name: string,
  month: Month,
  { manifest }: MonthFile,
  partition: MonthState['partition'],
  reach: Reach,
): Promise<boolean> {
  return inTransaction(async (tx) => {
    const { rows } = await tx.query<{ exists: boolean }>('select to_regclass($1) is not null as exists', [
      partition?.name ?? '',
    ]);
    if (partition && rows[0]!.exists) {
      await tx.query(`set local timezone = 'UTC'; lock table ${partition.name} in access exclusive mode`);
      if ((await packsHash(tx, partition.name, month)) !== manifest.packed) return false;
      await reach('compared');
      await tx.query(`drop table ${partition.name}`);
    }
    await setState(tx, name, month, 'dropped', 'partition = null');
    return true;
  });
}

/** @throws Integrity  the object is gone, or another one */
async function assertFileStands(file: MonthFile): Promise<void> {
  const problem = await verifyFile(file);
  if (problem !== undefined)
    throw new Integrity(`A file of the archive is no longer what was verified: ${problem}. Nothing was dropped.`, {
      details: { key: file.key },
    });
}

async function deletePrevious(name: string, month: Month, key: string, reach: Reach): Promise<void> {
  await deleteFile(key);
  await reach('previous version deleted');
  await moveTo(name, month, 'dropped', 'previous_key = null');
}
