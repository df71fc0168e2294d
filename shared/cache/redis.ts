import { Redis } from 'ioredis';
import { Unavailable } from '../kernel/errors.ts';
import { type Scripts, withScripts } from './scripts.ts';

export interface RedisSettings {
  url: string;
  password?: string;
  onFault(error: unknown): void;
}

/** The connection to Redis, with the cache's scripts, behind a circuit breaker. */
export interface RedisConnection {
  redis: Redis & Scripts;
  /**
   * Runs `work` unless the breaker is open.
   *
   * @throws Unavailable  Redis failed, or has failed so often that it is not asked for a second
   */
  attempt<T>(work: (redis: Redis & Scripts) => Promise<T>): Promise<T>;
  /** The same for one command, its reply mapped in the same step: a hot read has no promise to spare. */
  attempt<T, R>(work: (redis: Redis & Scripts) => Promise<T>, map: (result: T) => R): Promise<R>;
  /** Whether the breaker is open: Redis has been failing for a while, and is only probed. */
  isOpen(): boolean;
  close(): Promise<void>;
}

const failuresToOpen = 5;
const openMs = 1_000;
const readyWithinMs = 1_000;
/** Redis counts as silent after so many ticks without a byte in either direction: 100 ms in which this process could have read one. */
const tickMs = 20;
const silentTicks = 5;

/**
 * Connects. Commands fail fast, without retries and without a queue for a server that is away, so that a read goes on
 * from the database within 100 ms. After five failures in a row one probe a second finds out whether Redis is back.
 */
export async function connectRedis({ url, password, onFault }: RedisSettings): Promise<RedisConnection> {
  const redis = new Redis(url, {
    ...(password === undefined ? {} : { password }),
    connectTimeout: 2_000,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    enableAutoPipelining: true,
    retryStrategy: (times) => Math.min(50 * times, 1_000),
    // a demoted primary refuses writes; the name leads to the new one
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
  });
  redis.on('error', onFault);
  await ready(redis);
  const connection = withScripts(redis);
  const watch = watchSilence(redis);
  let failures = 0;
  let openUntil = 0;
  const isOpen = () => failures >= failuresToOpen;
  const failed = (cause: unknown): never => {
    watch.answered();
    // an error about one key or script comes from a server that is well
    if (!(cause instanceof Error && /^(WRONGTYPE|ERR) /.test(cause.message))) {
      failures++;
      openUntil = Date.now() + openMs;
    }
    onFault(cause);
    throw new Unavailable('Redis did not answer.', { cause });
  };
  return {
    redis: connection,
    isOpen,
    attempt<T, R>(work: (redis: Redis & Scripts) => Promise<T>, map?: (result: T) => R) {
      if (isOpen()) {
        if (Date.now() < openUntil) return Promise.reject(new Unavailable('The Redis circuit breaker is open.'));
        // half open: this one is the probe, the next waits for its outcome
        openUntil = Date.now() + openMs;
      }
      watch.sent();
      return work(connection).then((result) => {
        watch.answered();
        failures = 0;
        return map ? map(result) : (result as unknown as R);
      }, failed);
    },
    async close() {
      watch.stop();
      redis.disconnect();
    },
  };
}

/**
 * Destroys the socket of a Redis that has gone silent, which fails the commands that wait on it.
 *
 * The wait is counted in ticks instead of by the clock: a tick that comes late, because this process was busy or frozen,
 * counts once, and between two ticks whatever has arrived is read. So a busy process does not take Redis for silent.
 */
function watchSilence(redis: Redis) {
  let waiting = 0;
  let ticks = 0;
  let moved = 0;
  let timer: NodeJS.Timeout | undefined;

  function tick() {
    const { stream } = redis;
    if (waiting === 0) return stop();
    if (bytesMoved(stream) !== moved) {
      moved = bytesMoved(stream);
      ticks = 0;
    } else if (++ticks >= silentTicks) {
      ticks = 0;
      stream?.destroy(new Error(`Redis sent nothing for ${silentTicks * tickMs} ms.`));
    }
  }

  function stop() {
    clearInterval(timer);
    timer = undefined;
  }

  return {
    sent() {
      waiting++;
      if (timer) return;
      ticks = 0;
      moved = bytesMoved(redis.stream);
      timer = setInterval(tick, tickMs).unref();
    },
    answered() {
      waiting--;
    },
    stop,
  };
}

/** Bytes that were read, and those that the network has taken: a long answer or a long request is no silence. */
function bytesMoved(stream: Redis['stream'] | undefined): number {
  return stream ? stream.bytesRead + stream.bytesWritten - stream.writableLength : 0;
}

function ready(redis: Redis): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, readyWithinMs);
    redis.once('ready', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
