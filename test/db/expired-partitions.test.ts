import type pg from 'pg';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { dropExpiredPartitions } from '../../shared/db/expired-partitions.ts';
import { createPartitions } from '../../shared/db/partitions.ts';
import { pool as poolOf } from '../../shared/db/pools.ts';
import type { PartitionedTable } from '../../shared/kernel/table.ts';
import { createDatabase } from '../support/database.ts';
import { waitFor } from '../support/wait-for.ts';

const { pool } = await createDatabase();
await pool.query('create schema sky');
afterAll(() => pool.query('drop schema sky cascade'));

const daily: PartitionedTable = {
  schema: 'sky',
  name: 'readings',
  partitions: { by: 'day', column: 'at', ahead: 2, kept: 1, keepWhile: 'not is_sent' },
};
const day = (text: string) => new Date(`${text}T12:00:00Z`);
const write = (client: pg.Pool | pg.PoolClient, id: number, at: string, isSent = true) =>
  client.query(`insert into sky.readings values (${id}, '${at}T12:00Z', ${isSent})`);
const expire = (tables = [daily]) => dropExpiredPartitions(tables, day('2026-03-03'));
const first = 'sky.readings_20260227';
const second = 'sky.readings_20260228';

beforeEach(async () => {
  await pool.query(`
    drop table if exists sky.readings, ${first}, ${second} cascade;
    create table sky.readings (id integer, at timestamptz not null, is_sent boolean) partition by range (at);
    create index on sky.readings (id) where not is_sent`);
  await createPartitions([daily], day('2026-02-27'));
  await createPartitions([daily], day('2026-03-02'));
});

const open = new Set<pg.PoolClient>();
afterEach(() => {
  for (const client of open) client.release(true);
  open.clear();
});

/** A transaction that has inserted a row and stays open until it is committed with `commit`. */
async function openTransaction(id: number, at: string, isSent = true): Promise<{ commit: () => Promise<unknown> }> {
  const client = await pool.connect();
  open.add(client);
  await client.query('begin');
  await write(client, id, at, isSent);
  return { commit: () => client.query('commit') };
}

/** Waits until a session waits for a lock. Returns its process id. */
function waitingSession(): Promise<number> {
  return waitFor('a session that waits', async () => {
    const { rows } = await pool.query<{ pid: number }>(
      `select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
    );
    return rows[0]?.pid;
  });
}

/** Interrupts a run at its first detach, which waits for an open transaction. */
async function interruptRun(how: 'pg_cancel_backend' | 'pg_terminate_backend'): Promise<void> {
  const run = expire().catch((error: Error) => error);
  await pool.query(`select ${how}($1)`, [await waitingSession()]);
  await run;
  await waitFor('the end of its session', async () => {
    const { rowCount } = await pool.query(
      `select from pg_locks l join pg_database d on d.oid = l.database
       where d.datname = current_database() and l.locktype = 'advisory'`,
    );
    return rowCount === 0;
  });
}

async function ids(): Promise<number[]> {
  const { rows } = await pool.query<{ id: number }>('select id from sky.readings order by id');
  return rows.map(({ id }) => id);
}

async function tables(): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `select format('sky.%s', relname) as name from pg_class
     where relnamespace = 'sky'::regnamespace and relkind = 'r' order by 1`,
  );
  return rows.map(({ name }) => name);
}

test('partitions past their retention are dropped, the others stay', async () => {
  await write(pool, 1, '2026-02-28');
  await write(pool, 2, '2026-03-02');
  expect(await expire()).toEqual([first, second, 'sky.readings_20260301']);
  expect(await ids()).toEqual([2]);
  expect(await expire()).toEqual([]);
});

test('a partition stays, and can be read, while it has a row that must be kept', async () => {
  await write(pool, 1, '2026-02-27', false);
  expect(await expire()).not.toContain(first);
  expect(await ids()).toEqual([1]);
  await pool.query('update sky.readings set is_sent = true');
  expect(await expire()).toEqual([first]);
});

test('a partition with a row that must be kept is never out of sight', async () => {
  for (const at of ['2026-02-27', '2026-02-28', '2026-03-01']) await write(pool, 1, at, false);
  await openTransaction(2, '2026-03-03');
  // a detach would wait for the transaction, and hide the rows meanwhile
  expect(await Promise.race([expire(), waitingSession()])).toEqual([]);
  expect(await ids()).toEqual([1, 1, 1]);
});

test('a partition that stayed pending comes before older ones that are now free', async () => {
  await write(pool, 1, '2026-02-27', false);
  const { commit } = await openTransaction(2, '2026-03-03');
  await interruptRun('pg_cancel_backend');
  await commit();
  await pool.query('update sky.readings set is_sent = true');
  expect((await expire()).toSorted()).toEqual([first, second, 'sky.readings_20260301']);
});

test('the connection that a run borrowed goes back with the timeouts of the others', async () => {
  await expire();
  const { rows } = await (await poolOf('writer')).query(
    `select name, setting from pg_settings where name like '%\\_timeout' and setting <> reset_val`,
  );
  expect(rows).toEqual([]);
});

test('a table without a retention keeps its partitions', async () => {
  const { kept, ...partitions } = daily.partitions;
  expect(await expire([{ ...daily, partitions }])).toEqual([]);
  expect(await tables()).toContain(first);
});

test('retention goes by the bounds of a partition, not by its name', async () => {
  await pool.query(`
    create table sky.readings_2025 partition of sky.readings for values from ('2025-01-01Z') to ('2026-01-01Z')`);
  await write(pool, 1, '2025-12-31');
  expect(await dropExpiredPartitions([daily], day('2026-01-01'))).toEqual([]);
  expect(await dropExpiredPartitions([daily], day('2026-01-02'))).toEqual(['sky.readings_2025']);
});

test('writers go on, and partitions are created, while an old one waits for a long transaction', async () => {
  const sync = await openTransaction(1, '2026-03-03');
  const run = expire();
  await waitingSession();
  const webhook = await pool.connect();
  open.add(webhook);
  await webhook.query(`set lock_timeout = '200ms'`);
  await write(webhook, 2, '2026-03-03');
  await webhook.query('select from sky.readings');
  expect(await createPartitions([daily], day('2026-03-05'))).toContain('sky.readings_20260305');
  await sync.commit();
  expect(await run).toContain(first);
  expect(await ids()).toEqual([1, 2]);
});

test.each(['pg_cancel_backend', 'pg_terminate_backend'] as const)(
  'what a run could not finish (%s), the next one does',
  async (how) => {
    const sync = await openTransaction(1, '2026-03-03');
    await interruptRun(how);
    await sync.commit();
    expect(await expire()).toEqual([first, second, 'sky.readings_20260301']);
    expect(await tables()).not.toContain(first);
    expect(await ids()).toEqual([1]);
  },
);

test('a row to keep that came in during the detach is not lost: its partition is attached again', async () => {
  const late = await openTransaction(1, '2026-02-27', false);
  const run = expire();
  await waitingSession();
  await late.commit();
  expect(await run).not.toContain(first);
  expect(await ids()).toEqual([1]);
  await pool.query('update sky.readings set is_sent = true');
  expect(await expire()).toEqual([first]);
});

test('nor is it lost if the run ended between the detach and its second look', async () => {
  const late = await openTransaction(1, '2026-02-27', false);
  await interruptRun('pg_terminate_backend');
  await late.commit();
  await pool.query(`alter table sky.readings detach partition ${first} finalize`);
  expect(await ids()).toEqual([]);
  await expire();
  expect(await ids()).toEqual([1]);
});

test('runs at the same time drop each partition once, and none fails', async () => {
  const sync = await openTransaction(1, '2026-03-03');
  const runs = [expire(), expire(), expire()];
  await waitingSession();
  await sync.commit();
  expect((await Promise.all(runs)).flat()).toEqual([first, second, 'sky.readings_20260301']);
});

test('a table that fails keeps no other from its own', async () => {
  const broken: PartitionedTable = { ...daily, partitions: { ...daily.partitions, keepWhile: 'no_such_column' } };
  const other: PartitionedTable = { ...daily, name: 'months' };
  await pool.query(`
    create table sky.months (at timestamptz not null, is_sent boolean) partition by range (at);
    create table sky.months_202512 partition of sky.months for values from ('2025-12-01Z') to ('2026-01-01Z')`);
  await expect(expire([broken, other])).rejects.toThrow(/no_such_column/);
  expect(await tables()).not.toContain('sky.months_202512');
});

test('those who use a table that it refers to do not wait for a partition that cannot be dropped yet', async () => {
  await pool.query(`
    create table sky.stars (id integer primary key);
    insert into sky.stars select generate_series(1, 10);
    alter table sky.readings add foreign key (id) references sky.stars`);
  await write(pool, 1, '2026-02-27');
  const [reader, other] = [await pool.connect(), await pool.connect()];
  open.add(reader).add(other);
  await reader.query('begin; select from sky.stars');
  const running = expire();
  await other.query(`set lock_timeout = '1s'`);
  for (let attempts = 0; attempts < 2; attempts++) {
    const attempt = await waitingSession();
    await other.query('select from sky.stars where id = 1');
    await other.query('insert into sky.stars values ($1)', [100 + attempts]);
    await waitFor('its end', async () => {
      const { rowCount } = await pool.query(
        `select from pg_stat_activity where pid = $1 and wait_event_type = 'Lock'`,
        [attempt],
      );
      return rowCount === 0;
    });
  }
  await reader.query('commit');
  expect(await running).toEqual([first, second, 'sky.readings_20260301']);
});
