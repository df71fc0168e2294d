import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import * as z from 'zod';
import type { Domain } from '../../shared/kernel/domain.ts';
import { defineEvents } from '../../shared/kernel/event.ts';
import type { FunctionDeclaration } from '../../shared/kernel/function.ts';
import { defineJobs } from '../../shared/kernel/job.ts';
import { defineOperations } from '../../shared/kernel/operation.ts';
import type { Upstream } from '../../shared/kernel/upstream.ts';
import { findProblems } from '../../tools/declarations.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
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
const gust: FunctionDeclaration = { summary: '', invoked: { by: 'queue', maxConcurrency: 1 } };
const oracle = { name: 'oracle', baseUrl: '', secret: z.object({}), requestsPerSecond: 1 } satisfies Upstream;
const withOperation = (spec: object): Domain => ({
  ...weather,
  operations: defineOperations({
    search: { method: 'GET', path: '/v1/weather', summary: '', response: z.unknown(), ...spec } as never,
  }),
});
const events = defineEvents({ skyCleared: { summary: '', entities: [] } });
const requiresDay = { day: z.string().max(10) };
const sync = { summary: '', lane: 'bulk', params: z.strictObject(requiresDay), on: [events.skyCleared] } as const;

const mistakes: [mistake: string, domains: Domain[], message: string][] = [
  [
    'a function of two domains',
    [
      { ...weather, functions: { gust } },
      { ...weather, name: 'tides', functions: { gust } },
    ],
    'Both weather and tides declare the function `gust`. Rename it in one of them.',
  ],
  ['a function without its file', [{ ...weather, functions: { gust } }], 'functions/weather/gust.ts is missing.'],
  [
    'an upstream of an operation without a stand-in',
    [withOperation({ method: 'POST', upstreams: [oracle] })],
    'The upstream oracle has no stand-in. Write local/upstreams/oracle.ts',
  ],
  [
    'an event that cannot start its job',
    [{ ...weather, events, jobs: defineJobs('weather', { sync }) }],
    'weather.sync is started without parameters, but it requires some.',
  ],
  [
    'a pattern with an open repetition',
    [withOperation({ query: z.strictObject({ q: z.string().regex(/^[a-z]{2,}$/) }) })],
    'The query parameter `q` of search has no bound.',
  ],
  [
    'a view of an upstream that does not state its staleness',
    [withOperation({ source: oracle, cache: { entity: 'skies:all', ttl: 'hot' } })],
    'State its `staleness` in functions/weather/contract.ts.',
  ],
];

test.each(mistakes)('%s is reported with its fix', (_, domains, message) => {
  expect(findProblems(domains, root)).toContainEqual(expect.stringContaining(message));
});
