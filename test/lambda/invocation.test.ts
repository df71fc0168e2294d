import { setTimeout as wait } from 'node:timers/promises';
import type { SQSEvent } from 'aws-lambda';
import { afterEach, expect, test, vi } from 'vitest';
import { forgetEnv } from '../../shared/env.ts';
import { invocation } from '../../shared/lambda/invocation.ts';
import { queueHandler } from '../../shared/lambda/queue-handler.ts';
import { correlationId } from '../../shared/observability/correlation.ts';
import { count } from '../../shared/observability/metrics.ts';

Object.assign(process.env, { SERVICE: 'test', LOG_LEVEL: 'SILENT' });
forgetEnv();
afterEach(() => vi.restoreAllMocks());

const withMs = (remainingMs: number) => ({ getRemainingTimeInMillis: () => remainingMs }) as never;
const never = () => new Promise<never>(() => {});

/** The EMF lines that are written from now on. */
function metricLines(): () => Record<string, unknown>[] {
  const written: string[] = [];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => written.push(String(text)) > 0);
  return () => written.filter((line) => line.includes('CloudWatchMetrics')).map((line) => JSON.parse(line));
}

test('an invocation ends before Lambda cuts it off', async () => {
  await expect(invocation().handler(never)({}, withMs(510))).rejects.toMatchObject({ code: 'deadline' });
});

test('the metrics of an invocation are written once at its end, those of equal dimensions in one line', async () => {
  vi.stubEnv('POWERTOOLS_METRICS_DISABLED', 'false');
  const lines = metricLines();
  await invocation().handler(async () => {
    for (const operation of ['a', 'b', 'a']) count('CacheReads', 'Count', 1, { operation });
    expect(lines()).toEqual([]);
  })({}, withMs(30_000));
  expect(lines().map(({ operation, CacheReads }) => [operation, CacheReads])).toEqual([
    ['a', [1, 1]],
    ['b', 1],
  ]);
  await invocation().handler(async () => {})({}, withMs(30_000));
  expect(lines()).toHaveLength(2);
  const failing = invocation().handler(async () => {
    count('Jobs', 'Count', 1);
    throw new Error('failed');
  });
  await expect(failing({}, withMs(30_000))).rejects.toThrow('failed');
  expect(lines()).toHaveLength(3);
  vi.unstubAllEnvs();
});

test('a figure that is counted hundreds of times keeps its dimensions in every line', async () => {
  vi.stubEnv('POWERTOOLS_METRICS_DISABLED', 'false');
  const lines = metricLines();
  await invocation().handler(async () => {
    for (let i = 0; i < 250; i++) count('CacheLoads', 'Count', 1, { proof: 'snapshot' });
  })({}, withMs(30_000));
  vi.unstubAllEnvs();
  const written = lines().map(({ proof, CacheLoads }) => [proof, [CacheLoads].flat().length] as const);
  expect(new Set(written.map(([proof]) => proof))).toEqual(new Set(['snapshot']));
  expect(written.reduce((sum, [, values]) => sum + values, 0)).toBe(250);
});

test('two invocations at once keep their own correlation ids', async () => {
  const handler = invocation<{ id: string }, string[]>(({ id }) => id).handler(async () => {
    const before = correlationId();
    await wait(1);
    return [before, correlationId()];
  });
  const seen = await Promise.all(['first', 'second'].map((id) => handler({ id }, withMs(30_000))));
  expect(seen).toEqual([
    ['first', 'first'],
    ['second', 'second'],
  ]);
});

const event = { Records: ['1', '2', '3'].map((messageId) => ({ messageId, body: '{}' })) } as SQSEvent;
const failed = (...ids: string[]) => ({ batchItemFailures: ids.map((itemIdentifier) => ({ itemIdentifier })) });

test('of a batch only the records that failed are delivered again', async () => {
  const handler = queueHandler(({ Records }) =>
    Promise.allSettled(
      Records.map(async ({ messageId }) => {
        if (messageId === '2') throw new Error('failed');
      }),
    ),
  );
  expect(await handler(event, withMs(30_000))).toEqual(failed('2'));
});

test('a batch that throws, runs out of time, or forgets a record is delivered again', async () => {
  const throws = queueHandler(async () => {
    throw new Error('failed');
  });
  expect(await throws(event, withMs(30_000))).toEqual(failed('1', '2', '3'));
  expect(await queueHandler(never)(event, withMs(510))).toEqual(failed('1', '2', '3'));
  const forgets = queueHandler(async () => [{ status: 'fulfilled', value: undefined }]);
  expect(await forgets(event, withMs(30_000))).toEqual(failed('2', '3'));
});
