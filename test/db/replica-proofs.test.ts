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

/** A transaction of the primary that has ended as `how` says, and whose end the replica knows of. */
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

test('a replica proves what it calls committed, and reads in the transaction that said so', async () => {
  const xid = await ended('commit');
  const known = seenUpTo('reader');
  const { rows, evidence, asOf } = await readFrom<{ level: string }>(
    'reader',
    // a snapshot as old as the answer to the question would not show what was committed meanwhile
    sql`select current_setting('transaction_isolation') as level`,
    fencesOf(xid),
  );
  expect(rows).toMatchObject([{ level: 'read committed' }]);
  expect([evidence.host, evidence.inRecovery, evidence.committed]).toEqual(['replica', true, new Set([xid])]);
  expect(asOf).toEqual(known);
});

test('a transaction that a replica has not met yet is not proven, and its connection is as good as before', async () => {
  const before = await connectionNow();
  await expect(readFrom('reader', connection, fencesOf(1e12))).rejects.toThrow(Unproven);
  const after = await connectionNow();
  expect(after.pid).toBe(before.pid);
  // outside of a transaction each statement has a time of its own
  expect((await connectionNow()).now).not.toBe(after.now);
});

test('a server that calls a fence’s transaction aborted has another history: its connection is dropped', async () => {
  const aborted = await ended('rollback');
  const before = await connectionNow();
  await expect(readFrom('reader', connection, fencesOf(aborted))).rejects.toThrow(Unproven);
  expect((await connectionNow()).pid).not.toBe(before.pid);
  await expect(evidenceOf('reader', fencesOf(aborted))).rejects.toThrow(Unproven);
});

test('connections are dropped once, by whoever found them wrong; who has them already finishes', async () => {
  const found = await pool('reader');
  await dropPool('reader', found);
  const next = await pool('reader');
  expect(next === found).toBe(false);
  await dropPool('reader', found);
  expect(await pool('reader')).toBe(next);
  expect((await found.query('select 1')).rowCount).toBe(1);
  await waitFor('the end', () => found.ended);
});

test('reads that met the wrong server one after another keep the connections that the first of them opened anew', async () => {
  const { evidence } = await readProvably(sql`select 1`, { host: 'writer' });
  const opened = new Set<unknown>();
  for (let i = 0; i < 3; i++) {
    await readProvably(sql`select 1`, { host: 'writer', insteadOf: evidence });
    opened.add(await pool('writer'));
  }
  expect([opened.size, opened.has(evidence.via)]).toEqual([1, false]);
});
