import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { freePort } from './ports.ts';

export interface RedisServer {
  url: string;
  /** The server's process, if this started it. Tests stall and kill it. */
  process?: ChildProcess;
  stop(): Promise<void>;
}

/**
 * Redis or Valkey on this machine: the one in `REDIS_URL`, else a server on the PATH, else, as root on Debian or Ubuntu,
 * one installed with apt. No npm package ships one.
 *
 * @throws Error  there is none; the message says how to get one
 */
export async function startRedis(
  log: (line: string) => void,
  given: string | undefined = process.env.REDIS_URL,
): Promise<RedisServer> {
  if (given) return { url: given, stop: async () => {} };
  const program = find() ?? install(log);
  const port = await freePort();
  const limits = ['--maxmemory', '256mb', '--maxmemory-policy', 'allkeys-lru'];
  const child = spawn(
    program,
    ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', ...limits],
    {
      stdio: 'ignore',
      detached: true,
    },
  );
  await accepts(port, child);
  return {
    url: `redis://127.0.0.1:${port}`,
    process: child,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      await exited;
    },
  };
}

function find(): string | undefined {
  return ['valkey-server', 'redis-server'].find((name) => spawnSync(name, ['--version']).status === 0);
}

function install(log: (line: string) => void): string {
  const canInstall = process.getuid?.() === 0 && spawnSync('apt-get', ['--version']).status === 0;
  if (canInstall) {
    log('Installing redis-server with apt-get: Redis was not found');
    const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    const apt = (...args: string[]) => spawnSync('apt-get', args, { env: environment, stdio: 'ignore' });
    apt('update', '-qq');
    withoutServices(() => apt('install', '-y', '-qq', '--no-install-recommends', 'redis-server'));
    const found = find();
    if (found) return found;
  }
  throw new Error('Redis was not found. Install redis-server or valkey-server, or set REDIS_URL.');
}

/** Keeps a package from starting its server when it is installed. */
function withoutServices(install: () => unknown): unknown {
  const policy = '/usr/sbin/policy-rc.d';
  if (existsSync(policy)) return install();
  writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    return install();
  } finally {
    rmSync(policy);
  }
}

async function accepts(port: number, child: ChildProcess): Promise<void> {
  while (child.exitCode === null) {
    const isUp = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (isUp) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`The Redis server exited with ${child.exitCode} while it was starting.`);
}
