import type pg from 'pg';
import { pool } from './pools.ts';

/** An open transaction on the primary that has written its row in `platform.replica_canary`. */
export interface OpenWrite {
  xid: number;
  /** @throws the driver's errors; the transaction has ended nonetheless */
  commit(): Promise<void>;
  /** Does nothing if the transaction has ended. Never throws. */
  rollback(): Promise<void>;
}

interface Writes {
  query(text: string, values: unknown[]): Promise<pg.QueryResult>;
}

/**
 * Begins a transaction and writes a row. The server ends the transaction after 25 idle seconds, so a function that dies
 * or is frozen leaves none open.
 *
 * @throws the driver's errors; no transaction is left open
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
      // after an error the connection is closed, which ends the transaction
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

/**
 * Writes a row in its own transaction and returns the transaction's id after the commit.
 *
 * @throws the driver's errors
 */
export async function commitWrite(run: string): Promise<number> {
  return write(await pool('writer'), run);
}

async function write(target: Writes, run: string): Promise<number> {
  const { rows } = await target.query('insert into platform.replica_canary (run) values ($1) returning xid::text', [
    run,
  ]);
  return Number(rows[0].xid);
}
