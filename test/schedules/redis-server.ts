/** A schedule's part of a real Redis: only its own keys, each command a step, and the disruptions that can happen. */
import type { RedisConnection } from '../../shared/cache/redis.ts';
import { Unavailable } from '../../shared/kernel/errors.ts';
import type { Scheduler } from './scheduler.ts';

type Commands = RedisConnection['redis'];
type Command = (...values: unknown[]) => Promise<unknown>;
type Copy = { key: string; bytes: Buffer; ttlMs: number }[];

/** All keys of a schedule begin with `keyPrefix`, so that no others are touched. */
export function createRedisServer(redis: Commands, scheduler: Scheduler, keyPrefix: string, onReply: OnReply) {
  const keys = new Set<string>();

  function note(values: readonly unknown[]): void {
    for (const value of values.slice(0, 3))
      if (typeof value === 'string' && value.startsWith(keyPrefix)) keys.add(value);
  }

  /** A command is one step and its reply another. Both stay in order within a connection. */
  async function send(name: string, lane: string, values: unknown[]): Promise<unknown> {
    note(values);
    const command = Reflect.get(redis, name) as Command;
    const label = `${name} ${String(values[0]).slice(keyPrefix.length)}`;
    const reply = await scheduler.step(label, () => command.apply(redis, values), { lane: `${lane}>` });
    await scheduler.step(`reply of ${label}`, () => onReply(name, reply), { lane: `<${lane}` });
    return reply;
  }

  const remove = (names: readonly string[]) => (names.length > 0 ? redis.unlink(...names) : Promise.resolve(0));

  return {
    connect(lane: string): RedisConnection {
      const stepped = new Proxy(redis, {
        get:
          (_, name) =>
          (...values: unknown[]) =>
            send(String(name), lane, values),
      });
      async function attempt<T, R>(work: (redis: Commands) => Promise<T>, map?: (result: T) => R): Promise<R> {
        const result = await work(stepped).catch((cause: unknown) => {
          throw new Unavailable('Redis did not respond.', { cause });
        });
        return map ? map(result) : (result as unknown as R);
      }
      return {
        redis,
        attempt,
        isOpen: () => false,
        close: async () => {},
      };
    },
    breakConnection: (lane: string) => scheduler.failLanes([`${lane}>`, `<${lane}`], new Error('connection lost')),
    /** Removes the schedule's keys that match, and returns how many there were. */
    remove: (matches: (key: string) => boolean = () => true) => remove([...keys].filter(matches)),
    async copy(): Promise<Copy> {
      const one = async (key: string) => ({ key, bytes: await redis.dumpBuffer(key), ttlMs: await redis.pttl(key) });
      const all = await Promise.all([...keys].map(one));
      return all.filter((item): item is Copy[number] => item.bytes !== null);
    },
    /** Restores the keys as they were, without what was written since. */
    async restore(copy: Copy): Promise<void> {
      await remove([...keys]);
      await Promise.all(copy.map(({ key, bytes, ttlMs }) => redis.restore(key, ttlMs, bytes)));
    },
  };
}

export type OnReply = (command: string, reply: unknown) => void;
export type RedisServer = ReturnType<typeof createRedisServer>;
