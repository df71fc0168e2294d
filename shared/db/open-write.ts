import type pg from 'pg';
import { pool } from './pools.ts';

/** A transaction on the writer that has written its row of `platform.replica_canary`, and is open until it is ended. */
export interface OpenWrite {
  xid: number;
  /** @throws the driver's errors; the transaction has ended then too */
  commit(): Promise<void>;
  /** Does nothing to a transaction that has ended; never throws. */
  rollback(): Promise<void>;
}

interface Writes {
  query(text: string, values: unknown[]): Promise<pg.QueryResult>;
}

/**
 * Begins a transaction and writes. The server ends it by itself once this process has been silent for 25 seconds, so a
 * function that dies or is frozen leaves none open.
 *
 * @throws the driver's errors; no transaction is open then
 */
export async function openWrite(run: string): Promise<OpenWrite> {
  const client = await (await pool('writer')).connect();
  let isOpen = true;
  const end = async (how: 'commit' | 'rollback') => {
    isOpen = false;
    let failure: Error | undefined;
    try {
      await client.query(how);
    } catch (error) {
      failure = error as Error;
      throw error;
    } finally {
      // with an error the connection is closed, and the transaction with it
      client.release(failure);
    }
  };
  const rollback = async () => {
    if (isOpen) await end('rollback').catch(() => {});
  };
  try {
    await client.query(`begin; set local idle_in_transaction_session_timeout = '25s'`);
    return { xid: await write(client, run), commit: () => end('commit'), rollback };
  } catch (error) {
    await rollback();
    throw error;
  }
}

/** Writes in a transaction of its own, and gives its id once it has committed. @throws the driver's errors */
export async function commitWrite(run: string): Promise<number> {
  return write(await pool('writer'), run);
}

async function write(on: Writes, run: string): Promise<number> {
  const { rows } = await on.query('insert into platform.replica_canary (run) values ($1) returning xid::text', [run]);
  return Number(rows[0].xid);
}
