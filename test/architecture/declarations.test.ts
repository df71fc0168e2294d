import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { domains } from '../../functions/registry.ts';
import { alchemy } from '../../functions/upstreams/alchemy.ts';
import type { Domain } from '../../shared/kernel/domain.ts';
import { defineEvents } from '../../shared/kernel/event.ts';
import { timeParameter } from '../../shared/kernel/fields.ts';
import { defineJobs } from '../../shared/kernel/job.ts';
import { defineOperations } from '../../shared/kernel/operation.ts';
import type { Upstream } from '../../shared/kernel/upstream.ts';
import { findProblems } from '../../tools/declarations.ts';
import { createDatabase } from '../support/database.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const { pool } = await createDatabase();

test('the declarations of all domains have no problems', () => {
  expect(findProblems(domains, root)).toEqual([]);
});

test('every table is declared by the domain of its schema', async () => {
  const { rows } = await pool.query<{ schema: string; table: string }>(`
    select nspname as schema, relname as table from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where relkind in ('r', 'p') and not relispartition and nspname !~ '^(pg_|information_schema|public)'`);
  const existing = rows.map(({ schema, table }) => `${schema}.${table}`).sort();
  const declared = domains.flatMap(({ name, tables }) => Object.keys(tables).map((table) => `${name}.${table}`));
  const advice = 'Declare it in functions/<domain>/tables.ts, with the entities that its changes announce.';
  expect(existing.filter((table) => !declared.includes(table)).map((table) => `${table}: ${advice}`)).toEqual([]);
  expect(declared.filter((table) => !existing.includes(table))).toEqual([]);
});

const [first, second] = domains as readonly [Domain, Domain, ...Domain[]];
const withOperation = (domain: Domain, spec: object): Domain => ({
  ...domain,
  operations: {
    ...domain.operations,
    ...defineOperations({
      search: { method: 'GET', path: '/v1/things', summary: 'Things.', response: z.unknown(), ...spec } as never,
    }),
  },
});
const withQuery = (query: Record<string, z.ZodType>) => withOperation(second, { query: z.strictObject(query) });
const withJob = (spec: object): Domain => ({
  ...first,
  jobs: { ...defineJobs(first.name, { loadUser: { summary: '', lane: 'bulk', ...spec } as never }) },
});
const withUpstream = (domain: Domain, upstream: Upstream): Domain => ({
  ...domain,
  jobs: {
    ...domain.jobs,
    ...defineJobs(domain.name, { syncMoments: { summary: '', lane: 'bulk', upstreams: [upstream] } }),
  },
});
const unbounded = /^The query parameter `q` of search has no bound\. Give it a maximum/;

const mistakes: [mistake: string, domains: Domain[], message: RegExp][] = [
  [
    'a kind with two owners',
    [first, { ...second, entities: { ...second.entities, users: 'Users.' } }],
    /^Both \w+ and \w+ declare the entity kind `users`\. Rename it/,
  ],
  [
    'a view named like another domain’s',
    [first, withOperation(second, { cache: { entity: 'users:{id}', ttl: 'hot' } })],
    /^The view of search uses the entity kind `users` of collections\. Use a kind that functions\/wallets\/domain\.ts/,
  ],
  [
    'a kind that no domain declares',
    [withOperation(second, { cache: { entity: 'things:{id}', ttl: 'hot' } })],
    /^The view of search uses the entity kind `things`, which no domain declares\. Add it/,
  ],
  ['a kind that nothing uses', [{ ...first, entities: { ...first.entities, rests: '' } }], /^Nothing in \w+ uses/],
  ['an operation with two owners', [second, { ...first, operations: second.operations }], /the operation `search`/],
  ['a route with two owners', [second, { ...first, operations: second.operations }], /the route `GET \/v1\/search`/],
  ['an event with two owners', [second, { ...first, events: second.events }], /the event `holdings_changed`/],
  ['an unbounded string', [withQuery({ q: z.string().optional() })], unbounded],
  ['an unbounded pattern', [withQuery({ q: z.string().regex(/^[a-z]+$/) })], unbounded],
  ['a pattern without an end anchor', [withQuery({ q: z.string().regex(/^[a-z]{1,9}/) })], unbounded],
  ['a number without a maximum', [withQuery({ q: z.coerce.number().int().min(1).default(1) })], unbounded],
  ['a list without a maximum length', [withQuery({ q: z.array(z.enum(['a'])) })], unbounded],
  ['a pattern whose choices are anchored on one side', [withQuery({ q: z.string().regex(/^asc|desc$/) })], unbounded],
  ['a time of any length', [withQuery({ q: z.iso.datetime() })], unbounded],
  ['a number without a minimum', [withQuery({ q: z.coerce.number().int().max(10) })], unbounded],
  ['a choice with an unbounded part', [withQuery({ q: z.union([z.enum(['a']), z.string()]) })], unbounded],
  [
    'unbounded additional parameters',
    [withOperation(second, { query: z.object({}).catchall(z.string()) })],
    /^The query parameter `\*` of search/,
  ],
  [
    'a view that names no path parameter',
    [withOperation(second, { cache: { entity: 'wallets:{adress}', ttl: 'hot' } })],
    /^`wallets:\{adress\}` of search names \{adress\}, which is not a path parameter/,
  ],
  [
    'a view without its own kind',
    [
      withOperation(second, {
        path: '/v1/{kind}',
        pathParameters: z.strictObject({ kind: z.string() }),
        cache: { entity: '{kind}:all', ttl: 'hot' },
      }),
    ],
    /^The view of search does not have its own entity kind/,
  ],
  [
    'a path without one of its parameters',
    [withOperation(second, { pathParameters: z.strictObject({ id: z.string() }) })],
    /^The path of search lacks its path parameter \{id\}/,
  ],
  [
    'one route under two parameter names',
    [
      withOperation(first, { path: '/v1/search/{a}', pathParameters: z.strictObject({ a: z.string() }) }),
      withOperation(second, { path: '/v1/search/{b}', pathParameters: z.strictObject({ b: z.string() }) }),
    ],
    /the route `GET \/v1\/search\/\{\}`/,
  ],
  [
    'a malformed schedule',
    [withJob({ schedule: 'rate(5 minute)' })],
    /^The schedule `rate\(5 minute\)` of collections\.loadUser is malformed/,
  ],
  [
    'an invalid upstream name',
    [withJob({ upstreams: [{ name: 'open-sea', baseUrl: '', secret: z.object({}), requestsPerSecond: 1 }] })],
    /^The upstream name `open-sea` may only have/,
  ],
  [
    'two upstreams with the same name',
    [first, withUpstream(second, { ...alchemy, secret: z.object({ token: z.string() }) })],
    /^Two upstreams have the name alchemy/,
  ],
  [
    'a cached write',
    [withOperation(second, { method: 'POST', cache: { entity: 'wallets:{id}', ttl: 'hot' } })],
    /^search is cached but not a GET/,
  ],
  [
    'a ttlOnly view that does not state its staleness',
    [withOperation(second, { cache: { entity: 'wallets:{id}', ttl: 'hot', kind: 'ttlOnly', staleness: ' ' } })],
    /^search may serve data from before a change and does not say so\. State its `staleness`/,
  ],
  [
    'a schedule that cannot start its job',
    [withJob({ schedule: 'rate(1 hour)', params: z.strictObject({ id: z.string() }) })],
    /^collections\.loadUser is started without parameters, but it requires some/,
  ],
  [
    'parameters that change when they are parsed twice',
    [
      withJob({
        params: z.object({
          n: z
            .number()
            .default(1)
            .transform((n) => n + 1),
        }),
      }),
    ],
    /^The parameters of collections\.loadUser change/,
  ],
  [
    'an event that no domain declares',
    [withJob({ on: [defineEvents({ thingLost: { summary: '', entities: [] } }).thingLost] })],
    /^collections\.loadUser waits for the event `thing_lost`, which no domain declares/,
  ],
  [
    'an upstream without a stand-in',
    [withJob({ upstreams: [{ name: 'oracle', baseUrl: '', secret: z.object({}), requestsPerSecond: 1 }] })],
    /^The upstream oracle has no stand-in\. Write local\/upstreams\/oracle\.ts/,
  ],
  [
    'an operation without its file',
    [
      {
        ...first,
        operations: {
          ...defineOperations({ getThing: { method: 'GET', path: '/', summary: '', response: z.unknown() } }),
        },
      },
    ],
    /^functions\/collections\/get-thing\.ts is missing/,
  ],
  [
    'a read without its test',
    [
      {
        ...first,
        operations: {
          ...defineOperations({ getThing: { method: 'GET', path: '/', summary: '', response: z.unknown() } }),
        },
      },
    ],
    /^test\/collections\/get-thing\.test\.ts is missing/,
  ],
];

test.each(mistakes)('%s is reported with its fix', (_, all, message) => {
  expect(findProblems(all, root)).toContainEqual(expect.stringMatching(message));
});

test.each([
  ['an enum', z.enum(['a', 'b']).default('a')],
  ['a string with a maximum length', z.string().max(5).optional()],
  ['a bounded pattern', z.string().regex(/^[a-z*+]{1,64}(\.\d{1,9})?$/)],
  ['a number with a minimum and a maximum', z.coerce.number().int().min(1).max(5)],
  ['a time with a maximum length', timeParameter.optional()],
  ['a nullable string with a maximum length', z.string().max(5).nullable()],
  ['a list with a maximum length', z.array(z.string().max(5)).max(3)],
])('%s is bounded', (_, schema) => {
  const problems = findProblems([withQuery({ q: schema })], root);
  expect(problems.filter((problem) => problem.includes('`q`'))).toEqual([]);
});
