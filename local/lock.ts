/** The record of the run on this machine, so that there is one at a time and a killed one leaves nothing running. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface Lock {
  pid: number;
  /** The processes of its servers. */
  servers?: number[];
  url?: string;
  s3Url?: string;
  importsBucket?: string;
  archiveBucket?: string;
}

const fileIn = (folder: string) => join(folder, 'run.json');

/** The record of a run in `folder`, if there is one. */
export async function readLock(folder: string): Promise<Lock | undefined> {
  const text = await readFile(fileIn(folder), 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as Lock);
}

/** Writes the record; returns what removes it. */
export async function writeLock(folder: string, lock: Lock): Promise<() => Promise<void>> {
  await writeFile(fileIn(folder), JSON.stringify(lock));
  return () => rm(fileIn(folder), { force: true });
}

/** The record of a run that was killed, if there is one. @throws Error  a run is active */
export async function findKilledRun(folder: string): Promise<Lock | undefined> {
  const lock = await readLock(folder);
  if (!lock || !isAlive(lock.pid)) return lock;
  const where = lock.url ? ` at ${lock.url}` : '';
  throw new Error(`Tributary is already running${where} (process ${lock.pid}). Stop it there with Ctrl-C.`);
}

/** Stops the servers that a killed run left behind. */
export async function stopLeftovers({ servers = [] }: Lock): Promise<void> {
  const ours: number[] = [];
  for (const pid of servers) {
    // another process may have this id by now
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (/postgres|redis|valkey/.test(command)) ours.push(pid);
  }
  for (const pid of ours) process.kill(pid, 'SIGINT');
  while (ours.some(isAlive)) await new Promise((resolve) => setTimeout(resolve, 50));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
