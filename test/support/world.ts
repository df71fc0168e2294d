/** The world of a domain: rows for its cached reads, and what the tests of all domains need to know about them. */
import type { Sql } from 'sql-template-tag';
import type { Transaction } from '../../shared/db/transaction.ts';
import type { Endpoint } from '../../shared/http/endpoint.ts';
import { type Domain, tieredTablesOf } from '../../shared/kernel/domain.ts';
import type { Operation } from '../../shared/kernel/operation.ts';
import { entityTemplatesOf, expandTemplate } from '../../shared/kernel/view.ts';

/** A domain's rows for the oracle, and inputs for its cached reads that show them. */
export interface World {
  seed(tx: Transaction): Promise<void>;
  /** By operationId. */
  samples: Readonly<Record<string, readonly { path?: Record<string, string>; query?: Record<string, unknown> }[]>>;
  /** What to set a column to, as SQL over the row `t`, if the default new value is refused or changes no answer. */
  values?: Readonly<Record<string, readonly string[]>>;
  /** Columns (`table.column`) that the database never lets anyone change alone, each with the reason. */
  refused?: Readonly<Record<string, string>>;
  /** Tables from which no row of the world can be deleted, each with the reason. */
  undeletable?: Readonly<Record<string, string>>;
  /** Tables to leave out, each with the reason. Only triggers and jobs write them, together with what they announce. */
  internal?: Readonly<Record<string, string>>;
  /** Does what follows a change later and announces it: a refresh of read models. False if there was nothing to do. */
  settle?(tx: Transaction): Promise<boolean>;
  /** Tables that only a job writes and repairs. A change by hand is not announced, and the repair undoes it. */
  readModels?: {
    /** By table: the columns that a repair leaves alone, with the reason. */
    tables: Readonly<Record<string, Readonly<Record<string, string>>>>;
    repair(tx: Transaction): Promise<unknown>;
  };
  /** Derived columns and tables: a query that returns the wrong rows, and what they may differ from (`unless`). */
  derived?: Readonly<Record<string, { wrong: string; unless: readonly string[] }>>;
  /** Faults that the oracle must find, as the SQL that plants them: in a column, or in inserted and deleted rows. */
  planted: readonly { fault: string; at: string; sql: string }[];
}

/** SQL that replaces text in a function's definition. It fails if the text is not there. */
export function inFunction(name: string, ...replacements: readonly (readonly [from: string, to: string])[]): string {
  const steps = replacements.map(
    ([from, to]) => `
      if strpos(definition, $from$${from}$from$) = 0 then raise exception 'not in %: %', '${name}', $from$${from}$from$; end if;
      definition := replace(definition, $from$${from}$from$, $to$${to}$to$);`,
  );
  return `do $plant$ declare definition text := pg_get_functiondef('${name}'::regproc); begin ${steps.join('')} execute definition; end $plant$`;
}

/** A cached read with one input. */
export interface Sample {
  endpoint: Endpoint;
  /** Its name in messages. */
  name: string;
  path: Record<string, unknown>;
  query: Record<string, unknown>;
  statement: Sql;
  /** Announcing any of these voids its answer. */
  entities: string[];
}

/** The world of a domain. @throws Error  it has none */
export async function worldOf({ name }: Domain): Promise<World> {
  const found = await import(`../${name}/world.ts`).catch((error: Error) => error);
  if (!('world' in found))
    throw new Error(
      `${name} has cached reads. Write test/${name}/world.ts, which exports a World with rows and inputs for them.`,
      { cause: found },
    );
  return found.world as World;
}

/** An operation's file and export have its name. */
async function endpointOf({ name }: Domain, { operationId }: Operation): Promise<Endpoint> {
  const file = operationId.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  return (await import(`../../functions/${name}/${file}.ts`))[operationId];
}

export async function samplesOf(domain: Domain, world: World): Promise<Sample[]> {
  const all: Sample[] = [];
  for (const operation of Object.values(domain.operations).filter(({ cache }) => cache)) {
    const endpoint = await endpointOf(domain, operation);
    for (const { path = {}, query = {} } of world.samples[operation.operationId] ?? []) {
      const input = {
        path: operation.pathParameters.parse(path) as Record<string, unknown>,
        query: operation.query.parse(query) as Record<string, unknown>,
        body: undefined,
      };
      const entities = entityTemplatesOf(operation.cache!).map((template) => expandTemplate(template, input.path));
      const name = [
        operation.operationId,
        ...[path, query].filter((one) => Object.keys(one).length > 0).map((one) => JSON.stringify(one)),
      ];
      all.push({
        endpoint,
        name: name.join(' '),
        path: input.path,
        query: input.query,
        statement: endpoint.statement!(input as never),
        entities,
      });
    }
  }
  return all;
}

/** The relations that a statement's plan reads, as `schema.name`; of partitions, the table they belong to. */
export async function relationsOf(tx: Transaction, { text, values }: Sql): Promise<string[]> {
  const { rows } = await tx.query(`explain (format json, verbose) ${text}`, values);
  const found = JSON.stringify(rows).matchAll(/"Relation Name":"(\w+)","Schema":"(\w+)"/g);
  const names = [...new Set([...found].map(([, name, schema]) => `${schema}.${name}`))];
  const { rows: tables } = await tx.query<{ name: string }>(
    `select distinct format('%s.%s', relnamespace::regnamespace, relname) as name
     from unnest($1::text[]) as given join pg_class c on c.oid = coalesce(pg_partition_root(given::regclass), given::regclass)
     order by 1`,
    [names],
  );
  return tables.map(({ name }) => name);
}

/**
 * What a read may use besides tables that announce its entities: the packs of the domain's tiered tables, and the table that
 * says which tier has what. Neither changes an answer when it changes.
 */
export function tiersOf(domain: Domain): string[] {
  const tiered = tieredTablesOf([domain]);
  return tiered.length === 0 ? [] : ['platform.tiers', ...tiered.map(({ schema, name }) => `${schema}.${name}_packed`)];
}
