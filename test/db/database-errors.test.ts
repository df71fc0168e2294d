import { expect, test } from 'vitest';
import { inTransaction } from '../../shared/db/transaction.ts';
import { createDatabase } from '../support/database.ts';

const { pool } = await createDatabase();
await pool.query(`
  create table public.locks (id integer primary key, value integer not null);
  insert into public.locks values (1, 0), (2, 0)`);
const change = (id: number) => `update public.locks set value = value + 1 where id = ${id}`;

test.each(['statement_timeout', 'transaction_timeout'])('what exceeds the %s missed its deadline', async (setting) => {
  const slow = inTransaction(async (tx) => {
    await tx.query(`set local ${setting} = '50ms'`);
    await tx.query('select pg_sleep(10)');
  });
  await expect(slow).rejects.toMatchObject({ code: 'deadline' });
});

test('of two transactions in a deadlock, the one that loses can be retried', async () => {
  const both = Promise.withResolvers<void>();
  let holding = 0;
  const lock = (first: number, second: number) =>
    inTransaction(async (tx) => {
      await tx.query(change(first));
      if (++holding === 2) both.resolve();
      await both.promise;
      await tx.query(change(second));
    });
  const outcomes = await Promise.allSettled([lock(1, 2), lock(2, 1)]);
  const lost = outcomes.filter((outcome) => outcome.status === 'rejected');
  expect(lost).toMatchObject([{ reason: { code: 'unavailable', retryable: true } }]);
});

test('a row that changed since a transaction’s snapshot fails it so that it can be retried', async () => {
  const late = inTransaction(async (tx) => {
    await tx.query('select from public.locks');
    await pool.query(change(1));
    await tx.query(change(1));
  }, 'repeatable read');
  await expect(late).rejects.toMatchObject({ code: 'unavailable', retryable: true });
});

test('a lock that is not granted in time can be retried', async () => {
  const late = inTransaction(async (holder) => {
    await holder.query(change(1));
    await inTransaction(async (tx) => {
      await tx.query(`set local lock_timeout = '50ms'`);
      await tx.query(change(1));
    });
  });
  await expect(late).rejects.toMatchObject({ code: 'unavailable', retryable: true });
});
