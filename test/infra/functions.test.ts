import { expect, test } from 'vitest';
import * as z from 'zod';
import { planFunctions, relayQueueOf } from '../../infra/functions.ts';
import type { Domain } from '../../shared/kernel/domain.ts';
import type { FunctionDeclaration } from '../../shared/kernel/function.ts';
import { defineJobs } from '../../shared/kernel/job.ts';
import { defineOperations } from '../../shared/kernel/operation.ts';
import type { Upstream } from '../../shared/kernel/upstream.ts';

const radar = {
  name: 'radar',
  baseUrl: 'https://radar.example',
  secret: z.object({ apiKey: z.string() }),
  requestsPerSecond: 1,
} satisfies Upstream;

const read = { method: 'GET', path: '/v1/weather', summary: '', response: z.unknown() } as const;

const weather: Domain = {
  name: 'weather',
  summary: '',
  entities: {},
  operations: defineOperations({ getWeather: read }),
  events: {},
  jobs: {},
  datasets: {},
  tables: {},
};

const planOf = (name: string, ...domains: Domain[]) => planFunctions(domains).find((plan) => plan.name === name)!;
const declare = (declared: Partial<FunctionDeclaration>): Domain => ({
  ...weather,
  functions: { gust: { summary: '', invoked: { by: 'queue', maxConcurrency: 3 }, ...declared } },
});

test('a domain with only reads has one function, which cannot write', () => {
  expect(planFunctions([weather])).toEqual([
    {
      name: 'weather-api',
      entry: 'functions/weather/api.ts',
      memoryMb: 1_024,
      timeoutSeconds: 30,
      poolSize: 2,
      files: {},
      roles: { reads: 'reader' },
      redis: true,
      upstreams: [],
      queues: [],
      startsJobsIn: [],
      grants: [],
    },
  ]);
});

test('an API that writes gets the writer role and the lanes of its own jobs', () => {
  const domain = {
    ...weather,
    operations: defineOperations({ refresh: { ...read, method: 'POST' } }),
    jobs: defineJobs('weather', { sync: { summary: '', lane: 'prompt' } }),
  };
  const other = { ...weather, name: 'tides', jobs: defineJobs('tides', { sync: { summary: '', lane: 'bulk' } }) };
  expect(planOf('weather-api', domain, other)).toMatchObject({
    roles: { reads: 'reader', writes: 'writer' },
    startsJobsIn: [{ domain: 'weather', lane: 'prompt', queue: 'weather-prompt' }],
  });
});

test('the etl has a queue for each lane of its jobs; datasets need the bulk lane', () => {
  const jobs = defineJobs('weather', { warm: { summary: '', lane: 'prompt', upstreams: [radar] } });
  const prompt = { name: 'weather-prompt', batchSize: 1, maxConcurrency: 5 };
  const bulk = { ...prompt, name: 'weather-bulk' };
  expect(planOf('weather-etl', { ...weather, jobs })).toMatchObject({
    queues: [prompt],
    upstreams: [radar],
    roles: { reads: 'reader', writes: 'worker' },
    timeoutSeconds: 900,
    poolSize: 4,
  });
  const datasets = { gusts: { key: 'gusts', name: 'gusts', summary: '', row: z.unknown(), settable: [] } };
  expect(planOf('weather-etl', { ...weather, jobs, datasets })).toMatchObject({
    queues: [prompt, bulk],
    importsOf: 'weather',
  });
});

test('a declared function has the queues that invoke it, and only the lanes it is granted', () => {
  const jobs = defineJobs('weather', { sync: { summary: '', lane: 'bulk' } });
  const queue = { name: 'gust', batchSize: 10, maxConcurrency: 3 };
  expect(planOf('gust', { ...declare({}), jobs })).toMatchObject({ queues: [queue], startsJobsIn: [], roles: {} });
  const twice = { invoked: { by: 'events', maxConcurrency: 3, againAfterSeconds: 60 } } as const;
  expect(planOf('gust', declare(twice)).queues).toEqual([queue, { ...queue, name: 'gust-again', delaySeconds: 60 }]);
  expect(planOf('gust', { ...declare({ grants: ['startJobs'] }), jobs }).startsJobsIn).toEqual([
    { domain: 'weather', lane: 'bulk', queue: 'weather-bulk' },
  ]);
  expect(planOf('gust', declare({ invoked: { by: 'authorizer' } })).queues).toEqual([]);
});

test('the relay queue is that of the function that may put events', () => {
  expect(relayQueueOf(planFunctions([declare({ grants: ['putEvents'] })]))).toBe('gust');
  expect(() => relayQueueOf(planFunctions([weather]))).toThrow('nothing publishes the outbox');
});
