import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { domains } from '../../functions/registry.ts';
import type { Domain } from '../../shared/kernel/domain.ts';
import { defineEvents } from '../../shared/kernel/event.ts';
import { defineJobs } from '../../shared/kernel/job.ts';
import { defineOperations } from '../../shared/kernel/operation.ts';
import { faultsIn } from '../../tools/declarations.ts';
import { createDatabase } from '../support/database.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const { pool } = await createDatabase();

test('the declarations of all domains agree', () => {
  expect(faultsIn(domains, root)).toEqual([]);
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
const unbounded = /^The query parameter `q` of search has no bound\. Give it a maximum/;

const planted: [fault: string, domains: Domain[], said: RegExp][] = [
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
  ['an unbounded text', [withQuery({ q: z.string().optional() })], unbounded],
  ['an unbounded pattern', [withQuery({ q: z.string().regex(/^[a-z]+$/) })], unbounded],
  ['an open pattern', [withQuery({ q: z.string().regex(/^[a-z]{1,9}/) })], unbounded],
  ['a number without a maximum', [withQuery({ q: z.coerce.number().int().min(1).default(1) })], unbounded],
  ['a list without an end', [withQuery({ q: z.array(z.enum(['a'])) })], unbounded],
  ['a choice with an unbounded part', [withQuery({ q: z.union([z.enum(['a']), z.string()]) })], unbounded],
  [
    'unbounded free parameters',
    [withOperation(second, { query: z.object({}).catchall(z.string()) })],
    /^The query parameter `\*` of search/,
  ],
  [
    'a cached write',
    [withOperation(second, { method: 'POST', cache: { entity: 'wallets:{id}', ttl: 'hot' } })],
    /^search is cached but not a GET/,
  ],
  [
    'a view by TTL alone that does not say how old it may be',
    [withOperation(second, { cache: { entity: 'wallets:{id}', ttl: 'hot', kind: 'ttlOnly', staleness: ' ' } })],
    /^search may answer from before a change and does not say so\. State its `staleness`/,
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

test.each(planted)('%s is reported, with what to do', (_, all, said) => {
  expect(faultsIn(all, root)).toContainEqual(expect.stringMatching(said));
});

test.each([
  ['an enum', z.enum(['a', 'b']).default('a')],
  ['a text with a maximum length', z.string().max(5).optional()],
  ['a bounded pattern', z.string().regex(/^[a-z*+]{1,64}(\.\d{1,9})?$/)],
  ['a number with both ends', z.coerce.number().int().min(1).max(5)],
  ['a time', z.iso.datetime().optional()],
  ['a list with an end', z.array(z.string().max(5)).max(3)],
])('%s is bounded', (_, schema) => {
  const faults = faultsIn([withQuery({ q: schema })], root);
  expect(faults.filter((fault) => fault.includes('`q`'))).toEqual([]);
});
