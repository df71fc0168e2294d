/**
 * Turns a filled, ordinary table into a partitioned one, while others read and write it. Its rows stay where they are: the
 * old table becomes the partition of everything up to a bound, and ages out whole.
 *
 *     prepare ──▶ bound ──▶ validate ──▶ swap
 *
 * - Prepare: an empty partitioned table with the same columns, keys, indexes, foreign keys, triggers and grants is created
 *   beside it, with its partitions from the bound on. Nobody knows it yet.
 * - Bound: a CHECK says that the table's rows lie before the bound, a month or more ahead. It is not valid yet, so that no
 *   row is read.
 * - Validate: reads all rows, beside all writers. With the valid CHECK, ATTACH need not read them.
 * - Swap: one transaction renames both tables and attaches the old one. It takes a few milliseconds.
 *
 * Bounding and swapping lock the table exclusively. Who writes meanwhile waits: for at most `lockMs` if others hold the lock
 * (then it is tried again), and otherwise for the few milliseconds that it takes. A run that was cut off is started again;
 * up to the swap, nothing has changed for anybody, except that rows past the bound are refused from the second step on.
 */
import { Conflict } from '../kernel/errors.ts';
import type { PartitionedTable } from '../kernel/table.ts';
import { log } from '../observability/log.ts';
import { withLockRetries } from './lock-retries.ts';
import { type Period, periodAt } from './partitions.ts';
import { inSession } from './session.ts';
import { readDefinition, type TableDefinition } from './table-definition.ts';
import { inTransaction, type Transaction } from './transaction.ts';

export interface ConversionOptions {
  now?: Date;
  /** How long a lock is waited for, at a time. */
  lockMs?: number;
  /** How long it is tried to get one. */
  giveUpAfterMs?: number;
  /** Called after each step, for tests. */
  onStep?: (step: 'prepared' | 'bounded' | 'validated' | 'swapped') => Promise<void>;
}

const defaults = { lockMs: 40, giveUpAfterMs: 300_000, onStep: async () => {} };

/**
 * Converts a table to the partitions that it declares. False if it is partitioned already, or another run is at it. The
 * old table is named `…_before_202701`, after its bound.
 *
 * @throws Conflict     it has something that would get lost, or a key without the partition column: the message says what
 * @throws Unavailable  the database failed, or a transaction holds a lock for too long (retryable)
 */
export async function convertToPartitions(table: PartitionedTable, options: ConversionOptions = {}): Promise<boolean> {
  const run = { ...defaults, now: new Date(), ...options };
  if (await inTransaction((tx) => isPartitioned(tx, table))) return false;
  const isDone = await inSession(`conversion of ${nameOf(table)}`, { lockMs: 0, statementMs: 0 }, async () => {
    if (await inTransaction((tx) => isPartitioned(tx, table))) return false;
    const conversion = await locked(run, (tx) => prepare(tx, table, run.now));
    await run.onStep('prepared');
    await boundAndSwap(conversion, run).catch(async (error: unknown) => {
      await locked(run, (tx) => dropBound(tx, conversion)).catch((failed: unknown) => {
        log.error('rows past a bound are refused until the conversion is started again', {
          ...{ table: conversion.name, bound: conversion.bound, error: failed },
        });
      });
      throw error;
    });
    log.info('table converted to partitions', { table: conversion.name, bound: conversion.bound });
    await run.onStep('swapped');
    return true;
  });
  return isDone ?? false;
}

interface Conversion {
  table: PartitionedTable;
  name: string;
  /** The new table, until it gets the name. */
  prepared: string;
  definition: TableDefinition;
  bound: Period;
}

const boundName = 'within_bound';

async function boundAndSwap(conversion: Conversion, run: Required<ConversionOptions>): Promise<void> {
  await locked(run, (tx) => addBound(tx, conversion));
  await run.onStep('bounded');
  await inTransaction((tx) => tx.query(`alter table ${conversion.name} validate constraint ${boundName}`));
  await run.onStep('validated');
  await locked(run, (tx) => swap(tx, conversion));
}

/** Runs `work` in a transaction that waits for no lock for long, until it gets its locks. */
function locked<T>(run: { lockMs: number; giveUpAfterMs: number }, work: (tx: Transaction) => Promise<T>): Promise<T> {
  return withLockRetries(
    () =>
      inTransaction(async (tx) => {
        await tx.query(`set local lock_timeout = ${run.lockMs}; set local statement_timeout = 0`);
        return work(tx);
      }),
    run.giveUpAfterMs,
  );
}

async function isPartitioned(tx: Transaction, table: PartitionedTable): Promise<boolean> {
  const { rows } = await tx.query<{ relkind: string }>('select relkind from pg_class where oid = $1::regclass', [
    nameOf(table),
  ]);
  return rows[0]!.relkind === 'p';
}

async function prepare(tx: Transaction, table: PartitionedTable, now: Date): Promise<Conversion> {
  const name = nameOf(table);
  const prepared = `${name}_partitioned`;
  const { column, ahead, by, hash, storage } = table.partitions;
  const definition = await readDefinition(tx, table);
  const { rows } = await tx.query<{ last: Date | number | null }>(`select max(${column}) as last from ${name}`);
  const last = new Date(Math.max(now.getTime(), Number(rows[0]!.last)));
  if (Number.isNaN(last.getTime())) throw new Conflict(`${name} cannot be partitioned: it has a row at infinity.`);
  const bound = periodAt(by, last, 2);
  await tx.query(`drop table if exists ${prepared};
    create table ${prepared} (like ${name} including defaults including generated including identity including constraints
      including storage including comments including statistics) partition by range (${column});
    alter table ${prepared} drop constraint if exists ${boundName}`);
  for (let offset = 0; offset <= ahead; offset++) {
    const { label, from, to } = periodAt(by, bound.from, offset);
    const options = storage === undefined ? '' : `with (${storage})`;
    await tx.query(`create table ${name}_${label} partition of ${prepared} for values from ('${from.toISOString()}') to ('${to.toISOString()}')
        ${hash ? `partition by hash (${hash.column})` : options}`);
    for (let part = 0; part < (hash?.count ?? 0); part++)
      await tx.query(`create table ${name}_${label}_${part} partition of ${name}_${label}
        for values with (modulus ${hash!.count}, remainder ${part}) ${options}`);
  }
  await tx.query(statementsFor(prepared, definition).join(';\n'));
  return { table, name, prepared, definition, bound };
}

/** What makes a new table equal to the one that was described. Its indexes get their names at the swap. */
function statementsFor(prepared: string, definition: TableDefinition): string[] {
  const states: Record<string, string> = { D: 'disable', R: 'enable replica', A: 'enable always' };
  return [
    ...definition.keys.map((one) => `alter table ${prepared} add constraint ${temporary(one.name)} ${one.definition}`),
    ...definition.indexes.map(
      ({ name, head, tail }) => `${head.slice(0, head.length - name.length)}${temporary(name)} on ${prepared} ${tail}`,
    ),
    ...definition.foreignKeys.map((one) => `alter table ${prepared} add constraint ${one.name} ${one.definition}`),
    ...definition.triggers.flatMap(({ name, head, tail, state }) => [
      `${head} on ${prepared} ${tail}`,
      ...(states[state] ? [`alter table ${prepared} ${states[state]} trigger ${name}`] : []),
    ]),
    ...definition.others.map((statement) => statement.replace('%s', prepared)),
  ];
}

async function addBound(tx: Transaction, { name, table, bound }: Conversion): Promise<void> {
  await tx.query(`alter table ${name} drop constraint if exists ${boundName},
    add constraint ${boundName} check (${table.partitions.column} < '${bound.from.toISOString()}') not valid`);
}

async function dropBound(tx: Transaction, { name }: Conversion): Promise<void> {
  await tx.query(`alter table ${name} drop constraint if exists ${boundName}`);
}

/** One round trip: the lock is held until it ends. */
async function swap(tx: Transaction, conversion: Conversion): Promise<void> {
  const { table, name, prepared, definition, bound } = conversion;
  const { schema } = table;
  const oldName = `${table.name}_before_${bound.label}`;
  const old = `${schema}.${oldName}`;
  const indexes = [...definition.keys, ...definition.indexes];
  await tx.query(
    [
      `lock table ${name} in access exclusive mode`,
      ...definition.triggers.map((one) => `drop trigger ${one.name} on ${name}`),
      ...definition.identities.flatMap((column) => [
        `select setval(pg_get_serial_sequence('${prepared}', '${column}'), nextval(pg_get_serial_sequence('${name}', '${column}')), false)`,
        `alter table ${name} alter column ${column} drop identity`,
      ]),
      `alter table ${name} rename to ${oldName}`,
      `alter table ${prepared} rename to ${table.name}`,
      ...indexes.flatMap((one) => [
        `alter index ${schema}.${one.name} rename to ${suffixed(one.name, `_before_${bound.label}`)}`,
        `alter index ${schema}.${temporary(one.name)} rename to ${one.name}`,
      ]),
      ...definition.owned.map(({ sequence, column }) => `alter sequence ${sequence} owned by ${name}.${column}`),
      `alter table ${name} attach partition ${old} for values from (minvalue) to ('${bound.from.toISOString()}')`,
      `alter table ${old} drop constraint ${boundName}`,
    ].join(';\n'),
  );
}

function temporary(name: string): string {
  return suffixed(name, '_new');
}

/** A name, which may be quoted, with a suffix; at most as long as Postgres' names. */
function suffixed(name: string, suffix: string): string {
  const isQuoted = name.startsWith('"');
  const plain = (isQuoted ? name.slice(1, -1) : name).slice(0, 63 - suffix.length);
  return isQuoted ? `"${plain}${suffix}"` : `${plain}${suffix}`;
}

function nameOf({ schema, name }: PartitionedTable): string {
  return `${schema}.${name}`;
}
