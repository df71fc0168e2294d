/** `npm run new:domain NAME`: creates a domain with one read, one write, one event, one migration, and passing tests. */
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));

/** The files of a new domain, by path. */
export function filesOf(name: string, migration: string): Record<string, string> {
  return {
    [`functions/${name}/contract.ts`]: `/** The HTTP operations of the ${name} domain. */
import * as z from 'zod';
import { defineOperations } from '../../shared/kernel/operation.ts';

const id = z.string().regex(/^[a-z0-9-]{1,64}$/, 'must be a-z, 0-9 and -');

export const operations = defineOperations({
  ${operationOf(name)}: {
    method: 'GET',
    path: '/v1/${name}/{id}',
    summary: 'One item of ${name}.',
    pathParameters: z.strictObject({ id }),
    response: z.strictObject({ id, name: z.string(), updatedAt: z.iso.datetime() }),
    problems: [404],
    cache: { entity: '${name}:{id}', ttl: 'hot' },
  },
});
`,
    [`functions/${name}/events.ts`]: `/** The events of the ${name} domain. */
import { defineEvents } from '../../shared/kernel/event.ts';

export const events = defineEvents({
  ${variableOf(name)}ItemChanged: {
    summary: 'Items of ${name} were added or changed.',
    entities: ['${name}:{id}'],
  },
});
`,
    [`functions/${name}/tables.ts`]: `/** The tables of the ${name} domain, and the entities that their changes announce. */
import type { TableDeclaration } from '../../shared/kernel/table.ts';

export const tables = {
  items: { summary: 'One row per item.', announces: ['${name}:{id}'] },
} satisfies Record<string, TableDeclaration>;
`,
    [`functions/${name}/domain.ts`]: `/** The ${name} domain. */
import type { Domain } from '../../shared/kernel/domain.ts';
import { operations } from './contract.ts';
import { events } from './events.ts';
import { tables } from './tables.ts';

export const ${variableOf(name)} = {
  name: '${name}',
  summary: 'Items of ${name}.',
  entities: { ${name}: 'One item of ${name}.' },
  operations,
  events,
  jobs: {},
  datasets: {},
  tables,
} satisfies Domain;
`,
    [`functions/${name}/${fileOf(name)}.ts`]: `import sql from 'sql-template-tag';
import { read } from '../../shared/http/endpoint.ts';
import { operations } from './contract.ts';

/**
 * One item. A change shows at once.
 *
 * @throws NotFound  there is no such item
 */
export const ${operationOf(name)} = read(operations.${operationOf(name)}, {
  statement: ({ path }) => sql\`
    select jsonb_build_object('id', i.id, 'name', i.name, 'updatedAt', platform.iso(i.updated_at))::text as body,
      i.updated_at as as_of
    from ${name}.items i where i.id = \${path.id}\`,
});
`,
    [`functions/${name}/record-item.ts`]: `import type { Transaction } from '../../shared/db/transaction.ts';

/** Records an item. An unchanged item writes nothing and announces nothing. */
export async function recordItem(tx: Transaction, item: { id: string; name: string }): Promise<void> {
  await tx.query(
    \`insert into ${name}.items as i (id, name) values ($1, $2)
     on conflict (id) do update set name = excluded.name, updated_at = now() where i.name <> excluded.name\`,
    [item.id, item.name],
  );
}
`,
    [`functions/${name}/api.ts`]: `import { createApi } from '../../shared/http/api.ts';
import { ${variableOf(name)} } from './domain.ts';
import { ${operationOf(name)} } from './${fileOf(name)}.ts';

export const handler = createApi(${variableOf(name)}, { ${operationOf(name)} });
`,
    [`functions/${name}/README.md`]: `# ${name}

Items of ${name}.

## Routes
<!-- generated:routes -->
<!-- /generated:routes -->

## Entities
<!-- generated:entities -->
<!-- /generated:entities -->

## Tables
<!-- generated:tables -->
<!-- /generated:tables -->

## Events
<!-- generated:events -->
<!-- /generated:events -->
`,
    [`migrations/${migration}_${name}.sql`]: `-- Up Migration
create schema ${name};

create table ${name}.items (
  id text primary key,
  name text not null,
  updated_at timestamptz not null default now()
);

create function ${name}.announce_items() returns trigger language plpgsql as $$
begin
  perform platform.announce('${name}_item_changed', (select array_agg('${name}:' || id) from changed_rows));
  return null;
end $$;

select platform.watch('${name}.items', '${name}.announce_items', key => '{id}', rows_as => 'changed_rows');

-- Down Migration
drop schema ${name} cascade;
`,
    [`test/${name}/world.ts`]: `/** The ${name} domain's world for the oracle of announcements. */
import { recordItem } from '../../functions/${name}/record-item.ts';
import type { World } from '../support/world.ts';

export const world: World = {
  seed: (tx) => recordItem(tx, { id: 'one', name: 'One' }),
  samples: { ${operationOf(name)}: [{ path: { id: 'one' } }, { path: { id: 'none' } }] },
  refused: { 'items.id': 'a key' },
  planted: [
    {
      fault: 'a changed item is not announced',
      at: 'items.name',
      sql: 'drop trigger announce_updated on ${name}.items',
    },
  ],
};
`,
    [`test/${name}/${fileOf(name)}.test.ts`]: `import { expect, test } from 'vitest';
import { handler } from '../../functions/${name}/api.ts';
import { ${variableOf(name)} } from '../../functions/${name}/domain.ts';
import { recordItem } from '../../functions/${name}/record-item.ts';
import { commit } from '../../shared/changes/commit.ts';
import { createCaller } from '../support/api.ts';
import { createDatabase } from '../support/database.ts';
import { createQueue } from '../support/queues.ts';

await createDatabase({ RELAY_QUEUE_URL: (await createQueue('relay')).url });
const call = createCaller(${variableOf(name)}, handler as never);

test('an item is cached, and a change shows at once', async () => {
  expect((await call('/v1/${name}/one')).status).toBe(404);
  await commit((tx) => recordItem(tx, { id: 'one', name: 'One' }));
  expect((await call('/v1/${name}/one')).json.name).toBe('One');
  expect((await call('/v1/${name}/one')).headers['x-cache']).toBe('hit');
  await commit((tx) => recordItem(tx, { id: 'one', name: 'Uno' }));
  expect((await call('/v1/${name}/one')).json.name).toBe('Uno');
});

test('an invalid id is rejected', async () => {
  expect((await call('/v1/${name}/NO')).status).toBe(400);
});
`,
  };
}

/** The source of the registry with one more domain and its imports sorted. */
export function registerIn(registry: string, name: string): string {
  const imports = [...registry.matchAll(/^import \{.*$/gm)].map(([line]) => line);
  const added = [...imports, `import { ${variableOf(name)} } from './${name}/domain.ts';`].sort((a, b) =>
    pathIn(a) < pathIn(b) ? -1 : 1,
  );
  const withImports = registry.replace(imports.join('\n'), added.join('\n'));
  return withImports.replace(
    /(readonly Domain\[\] = \[)([^\]]*)\]/,
    (_, declares: string, others: string) => `${declares}${others}, ${variableOf(name)}]`,
  );
}

function pathIn(line: string): string {
  return line.slice(line.indexOf("'"));
}

function variableOf(name: string): string {
  return name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function operationOf(name: string): string {
  const variable = variableOf(name);
  return `get${variable[0]!.toUpperCase()}${variable.slice(1)}Item`;
}

function fileOf(name: string): string {
  return operationOf(name).replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The words that Postgres does not accept as a schema's name without quotes. */
const reserved = new Set(
  (
    'all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation ' +
    'column concurrently constraint create cross current_catalog current_date current_role current_schema current_time ' +
    'current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze ' +
    'from full grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit ' +
    'localtime localtimestamp natural not notnull null offset on only or order outer overlaps placing primary public ' +
    'references returning right select session_user similar some symmetric system_user table tablesample then to ' +
    'trailing true union unique user using variadic verbose when where window with'
  ).split(' '),
);

async function createDomain(name: string | undefined): Promise<void> {
  if (!name || !/^[a-z][a-z0-9_]{1,30}$/.test(name))
    throw new Error('Usage: npm run new:domain NAME. A name has the characters a-z, 0-9, and _.');
  if (reserved.has(name) || name.startsWith('pg_'))
    throw new Error(`${name} is reserved in Postgres. The domain’s schema has its name, so choose another.`);
  const exists = await stat(join(root, 'functions', name)).then(
    () => true,
    () => false,
  );
  if (exists) throw new Error(`The domain ${name} already exists.`);
  const last = (await readdir(join(root, 'migrations'))).sort().at(-1)!;
  const migration = String(Number(last.slice(0, 4)) + 1).padStart(4, '0');
  for (const [path, text] of Object.entries(filesOf(name, migration))) {
    await mkdir(join(root, dirname(path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  const registry = join(root, 'functions/registry.ts');
  await writeFile(registry, registerIn(await readFile(registry, 'utf8'), name));
  console.log(`Created functions/${name}. Next: npm run generate && npm run check && npm test -- test/${name}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await createDomain(process.argv[2]).catch((error: Error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
