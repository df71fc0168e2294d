import { afterEach, expect, test, vi } from 'vitest';
import { hostForReads, leaveOut, measureLag, seenUpTo } from '../../shared/db/lag.ts';
import { createDatabase } from '../support/database.ts';
import { waitFor } from '../support/wait-for.ts';

const threshold = 1_000;
const { pool } = await createDatabase({ DATABASE_LAG_THRESHOLD_MS: String(threshold) });
// stand-ins for Aurora's functions, with a lag set by the tests
await pool.query(`
  create table lag (ms float8);
  insert into lag values (0);
  create function aurora_db_instance_identifier() returns text language sql as $$ select 'reader' $$;
  create function aurora_replica_status() returns table (server_id text, replica_lag_in_msec float8) language sql as
    $$ select 'reader', ms from lag union all select 'another', 1e9 $$;`);
await waitFor('the functions', async () => {
  const { rows } = await (await (await import('../../shared/db/pools.ts')).pool('reader')).query(
    `select to_regproc('aurora_replica_status') is not null as is`,
  );
  return rows[0].is;
});

const { now } = Date;
let elapsedMs = 0;
afterEach(() => {
  vi.restoreAllMocks();
});

/** The host for a read after a new lag measurement with this result. */
async function hostAt(lagMs: number): Promise<string> {
  await pool.query('update lag set ms = $1', [lagMs]);
  await waitFor('the lag', async () => (await measureLag('reader')) === lagMs);
  elapsedMs += 5_001;
  vi.spyOn(Date, 'now').mockImplementation(() => now() + elapsedMs);
  return hostForReads('reader');
}

test('the first read waits for the reader’s lag, since its answer states up to when it shows every change', async () => {
  expect(await hostAt(300)).toBe('reader');
  const behind = Date.now() - seenUpTo('reader').getTime();
  expect([behind >= 300, behind < 60_000]).toEqual([true, true]);
});

test('a reader whose lag exceeds the threshold is left out until three consecutive checks are well below it', async () => {
  expect(await hostAt(threshold)).toBe('reader');
  const hosts: string[] = [];
  for (const lagMs of [threshold + 1, 0, 500, threshold, 0, 501, 0, 0, 500]) hosts.push(await hostAt(lagMs));
  expect(hosts).toEqual([...Array.from({ length: 8 }, () => 'primary'), 'reader']);
});

test('an unreachable reader is used again after three good checks', async () => {
  leaveOut('reader');
  const hosts: string[] = [];
  for (let i = 0; i < 3; i++) hosts.push(await hostAt(0));
  expect(hosts).toEqual(['primary', 'primary', 'reader']);
});
