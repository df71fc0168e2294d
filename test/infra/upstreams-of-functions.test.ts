import { expect, test } from 'vitest';
import * as z from 'zod';
import { planFunctions } from '../../infra/functions.ts';
import type { Domain } from '../../shared/kernel/domain.ts';
import { defineJobs } from '../../shared/kernel/job.ts';
import { defineOperations } from '../../shared/kernel/operation.ts';
import type { Upstream } from '../../shared/kernel/upstream.ts';

const upstreamNamed = (name: string): Upstream => ({
  name,
  baseUrl: `https://${name}.example`,
  secret: z.object({ apiKey: z.string() }),
  requestsPerSecond: 1,
});
const [radar, buoy, tide] = ['radar', 'buoy', 'tide'].map(upstreamNamed) as [Upstream, Upstream, Upstream];
const get = { method: 'GET', path: '/v1/weather', summary: '', response: z.unknown() } as const;
const cache = { entity: 'skies:all', ttl: 60, kind: 'ttlOnly', staleness: 'Up to a minute.' } as const;
const weather: Domain = {
  name: 'weather',
  summary: '',
  entities: {},
  operations: {},
  events: {},
  jobs: {},
  datasets: {},
  tables: {},
};

function planOf(name: string, changes: Partial<Domain>) {
  const { upstreams, roles } = planFunctions([{ ...weather, ...changes }]).find((plan) => plan.name === name)!;
  return { upstreams: upstreams.map((upstream) => upstream.name), roles };
}

test('a read that fetches what is missing may write it, and may call each of its upstreams', () => {
  const operations = defineOperations({ getWeather: { ...get, upstreams: [radar, buoy] } });
  expect(planOf('weather-api', { operations })).toEqual({
    upstreams: ['radar', 'buoy'],
    roles: { reads: 'reader', writes: 'writer' },
  });
});

test('a read that an upstream answers may call it and others, but not write', () => {
  const operations = defineOperations({ getWeather: { ...get, source: radar, cache, upstreams: [buoy] } });
  expect(planOf('weather-api', { operations })).toEqual({ upstreams: ['radar', 'buoy'], roles: { reads: 'reader' } });
});

test('the jobs of a domain may call every upstream that one of them names', () => {
  const jobs = defineJobs('weather', {
    sync: { summary: '', lane: 'bulk', upstreams: [radar, buoy] },
    warm: { summary: '', lane: 'prompt', upstreams: [buoy, tide] },
  });
  expect(planOf('weather-etl', { jobs }).upstreams).toEqual(['radar', 'buoy', 'tide']);
});
