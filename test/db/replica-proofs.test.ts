import sql from 'sql-template-tag';
import { expect, test } from 'vitest';
import { Unproven } from '../../shared/cache/view.ts';
import { seenUpTo } from '../../shared/db/lag.ts';
import { dropPool, pool } from '../../shared/db/pools.ts';
import { evidenceOf, readFrom, readProvably } from '../../shared/db/read.ts';
import { createDatabase } from '../support/database.ts';
import { waitFor } from '../support/wait-for.ts';

const database = await createDatabase({ DATABASE_POOL_SIZE: '1' });
await database.pool.query('create table things (value integer)');

/** The id of a transaction that has ended with `how`, after the replica has seen its end. */
async function ended(how: 'commit' | 'rollback'): Promise<number> {
  const client = await database.pool.connect();
  const run = async (end: string) => {
    await client.query('begin');
    await client.query('insert into things values (1)');
    const { rows } = await client.query('select pg_current_xact_id()::text as xid');
    await client.query(end);
    return Number(rows[0].xid);
  };
  const xid = await run(how);
  const later = await run('commit');
  client.release();
  await waitFor('the replica', async () => (await evidenceOf('reader', fencesOf(later))).committed!.has(later));
  return xid;
}
const fencesOf = (...xids: number[]) => [{ forgotten: 0, xids }];
const connection = sql`select pg_backend_pid() as pid, now()::text as now`;
type Connection = { pid: number; now: string };
const connectionNow = async () => (await readFrom<Connection>('reader', connection)).rows[0]!;

test('a replica proves what it reports as committed, and reads in the same transaction', async () => {
  const xid = await ended('commit');
  const known = seenUpTo('reader');
  const { rows, evidence, asOf } = await readFrom<{ level: string }>(
    'reader',
    // with the snapshot of the status query, the read would not show what was committed in the meantime
    sql`select current_setting('transaction_isolation') as level`,
    fencesOf(xid),
  );
  expect(rows).toMatchObject([{ level: 'read committed' }]);
  expect([evidence.host, evidence.inRecovery, evidence.committed]).toEqual(['replica', true, new Set([xid])]);
  expect(asOf).toEqual(known);
});

test('a transaction unknown to the replica is not proven, and the connection stays usable', async () => {
  const before = await connectionNow();
  await expect(readFrom('reader', connection, fencesOf(1e12))).rejects.toThrow(Unproven);
  const after = await connectionNow();
  expect(after.pid).toBe(before.pid);
  // outside a transaction, each statement has its own time
  expect((await connectionNow()).now).not.toBe(after.now);
});

test('a server that reports a fence’s transaction as aborted has a different history: its connection is dropped', async () => {
  const aborted = await ended('rollback');
  const before = await connectionNow();
  await expect(readFrom('reader', connection, fencesOf(aborted))).rejects.toThrow(Unproven);
  expect((await connectionNow()).pid).not.toBe(before.pid);
  await expect(evidenceOf('reader', fencesOf(aborted))).rejects.toThrow(Unproven);
});

test('a pool is dropped only once, and work that holds it can finish', async () => {
  const found = await pool('reader');
  await dropPool('reader', found);
  const next = await pool('reader');
  expect(next === found).toBe(false);
  await dropPool('reader', found);
  expect(await pool('reader')).toBe(next);
  expect((await found.query('select 1')).rowCount).toBe(1);
  await waitFor('the end', () => found.ended);
});

test('reads that find the wrong server one after another keep the new connections of the first', async () => {
  const { evidence } = await readProvably(sql`select 1`, { host: 'writer' });
  const opened = new Set<unknown>();
  for (let i = 0; i < 3; i++) {
    await readProvably(sql`select 1`, { host: 'writer', insteadOf: evidence });
    opened.add(await pool('writer'));
  }
  expect([opened.size, opened.has(evidence.via)]).toEqual([1, false]);
});
