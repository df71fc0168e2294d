/**
 * The oracle of announcements. In a small seeded world it changes one column of one row at a time, and deletes and
 * inserts rows, each in a savepoint. Whenever a change alters the body of a cached read, the outbox rows of the same
 * transaction must name an entity of that read. If they do not, the cached answer is stale until its TTL ends.
 */
import sql, { join, raw } from 'sql-template-tag';
import type { Transaction } from '../../shared/db/transaction.ts';
import { type Domain, kindOf } from '../../shared/kernel/domain.ts';
import { type Sample, samplesOf, type World } from './world.ts';

interface Answer {
  body: string;
  live: boolean | null;
}

interface Announcement {
  id: string;
  type: string;
  entities: string[];
}

interface Column {
  name: string;
  type: string;
  nullable: boolean;
}

/** The results of changing a table. */
export interface Examined {
  failures: string[];
  /** The kinds of the announced entities. */
  kinds: Set<string>;
  /** Whether any change altered an answer. */
  isShown: boolean;
}

/** The oracle of one domain, in one open transaction that is never committed. */
export async function createOracle(tx: Transaction, domain: Domain, world: World) {
  const samples = (await samplesOf(domain, world)).filter(
    ({ endpoint }) => endpoint.operation.cache!.kind !== 'ttlOnly',
  );
  const allBodies = sql`select ${join(
    samples.map(
      ({ statement }, i) => sql`(
        select jsonb_build_object('body', q.body, 'live', to_jsonb(q) -> 'live') from (${statement}) as q
      ) as ${raw(`s${i}`)}`,
    ),
  )}`;
  await tx.query('set local jit = off');
  const initialAnswers = await answers();

  async function answers(): Promise<(Answer | null)[]> {
    const { rows } = await tx.query({
      name: `bodies of ${domain.name}`,
      text: allBodies.text,
      values: allBodies.values,
    });
    return Object.values(rows[0]) as (Answer | null)[];
  }

  async function announcedAfter(id: string): Promise<Announcement[]> {
    const { rows } = await tx.query(
      'select id::text, type, entities from platform.outbox where xid = pg_current_xact_id() and id > $1 order by id',
      [id],
    );
    return rows;
  }

  /** Runs `work` and rolls it back. */
  async function rolledBack<T>(work: () => Promise<T>): Promise<T> {
    await tx.query('savepoint work');
    try {
      return await work();
    } finally {
      await tx.query('rollback to savepoint work; release savepoint work');
    }
  }

  /** Runs a statement and returns how many rows it changed; undefined if the database refused it. */
  async function attempt(text: string, values: unknown[]): Promise<number | undefined> {
    await tx.query('savepoint attempt');
    try {
      const { rowCount } = await tx.query(text, values);
      await tx.query('release savepoint attempt');
      return rowCount ?? 0;
    } catch (error) {
      await tx.query('rollback to savepoint attempt; release savepoint attempt');
      // a constraint, a value out of range, or a generated column; any other error is a bug of the oracle
      if (/^(22|23|428C9)/.test((error as { code?: string }).code ?? '')) return undefined;
      throw error;
    }
  }

  /** Compares the changed answers with the announcements since an outbox id. */
  async function compare(
    what: string,
    before: (Answer | null)[],
    since: string,
    examined: Examined,
  ): Promise<{ after: (Answer | null)[]; last: string }> {
    const changed = await answers();
    const announced = await announcedAfter(since);
    let last = announced.at(-1)?.id ?? since;
    const settled = (await world.settle?.(tx)) ?? false;
    const after = settled ? await answers() : changed;
    const later = settled ? await announcedAfter(last) : [];
    last = later.at(-1)?.id ?? last;
    const named = new Set(announced.flatMap(({ entities }) => entities));
    const namedLater = new Set(later.flatMap(({ entities }) => entities));
    for (const [i, sample] of samples.entries()) {
      const differs = before[i]?.body !== changed[i]?.body;
      const differsLater = changed[i]?.body !== after[i]?.body;
      examined.isShown ||= differs || differsLater;
      const isLive = (before[i]?.live ?? false) || (changed[i]?.live ?? false);
      const isNamed = (names: Set<string>) => sample.entities.some((entity) => names.has(entity));
      // the refresh that replaces a live answer voids it
      if (differs && !isNamed(named) && !(isLive && isNamed(namedLater)))
        examined.failures.push(describeFailure(what, sample, 'changed', named));
      if (differsLater && !isNamed(namedLater))
        examined.failures.push(describeFailure(what, sample, 'changed in the refresh that followed', namedLater));
    }
    for (const one of [...announced, ...later]) {
      for (const entity of one.entities) examined.kinds.add(kindOf(entity));
      const event = Object.values(domain.events).find(({ type }) => type === one.type);
      const strays = one.entities.filter((entity) => !event?.entities.some((template) => matches(template, entity)));
      if (strays.length > 0)
        examined.failures.push(
          `${what}: the event ${one.type} names ${strays}, which ${domain.name}/events.ts does not declare`,
        );
    }
    return { after, last };
  }

  async function checkDerived(what: string, changed: string, examined: Examined): Promise<void> {
    for (const [name, { wrong, unless }] of Object.entries(world.derived ?? {})) {
      if ([name, ...unless].some((one) => one === changed || one === changed.split('.')[0])) continue;
      const { rows } = await tx.query(wrong);
      if (rows.length > 0) examined.failures.push(`${what}: ${name} is wrong: ${JSON.stringify(rows[0])}`);
    }
  }

  async function columnsOf(table: string): Promise<Column[]> {
    const { rows } = await tx.query(
      `select attname as name, format_type(atttypid, null) as type, not attnotnull as nullable from pg_attribute
       where attrelid = $1::regclass and attnum > 0 and not attisdropped order by attnum`,
      [`${domain.name}.${table}`],
    );
    return rows;
  }

  async function rowsOf(table: string): Promise<{ tid: string; row: Record<string, unknown> }[]> {
    const { rows } = await tx.query(
      `select ctid::text as tid, to_jsonb(t) as row from ${domain.name}.${table} t order by ctid`,
    );
    return rows;
  }

  /**
   * Changes each column of each row of a table, and deletes and inserts again each row that can be deleted.
   *
   * @param only  the only column to change, or `rows` to only delete and insert
   */
  async function examine(table: string, only?: string): Promise<Examined> {
    const examined: Examined = { failures: [], kinds: new Set(), isShown: false };
    const rows = await rowsOf(table);
    if (rows.length === 0) examined.failures.push(`The world has no row in ${table}.`);
    for (const column of await columnsOf(table))
      if (only === undefined || only === column.name) await examineColumn(table, column, rows, examined);
    if (only === undefined || only === 'rows') await examineRows(table, rows, examined);
    return examined;
  }

  /** The failures found in a column (`table.column`), or when deleting and inserting (`table.rows`), with a planted fault. */
  async function failuresWith(planted: string, at: string): Promise<string[]> {
    return rolledBack(async () => {
      await tx.query(planted);
      const [table, only] = at.split('.') as [string, string];
      return (await examine(table, only)).failures;
    });
  }

  async function examineColumn(
    table: string,
    column: Column,
    rows: { tid: string; row: Record<string, unknown> }[],
    examined: Examined,
  ): Promise<void> {
    const name = `${table}.${column.name}`;
    const isReadModel = world.readModels && table in world.readModels.tables;
    let isChangeable = false;
    for (const { tid, row } of rows) {
      for (const value of world.values?.[name] ?? valuesFor(column, row[column.name])) {
        const what = `${name} := ${value} in ${JSON.stringify(row).slice(0, 120)}`;
        await rolledBack(async () => {
          const update = `update ${domain.name}.${table} t set ${column.name} = (${value})
            where t.ctid = $1::tid and t.${column.name} is distinct from (${value})`;
          if (!((await attempt(update, [tid])) ?? 0)) return;
          isChangeable = true;
          if (isReadModel) return checkRepair(what, table, row, column.name, examined);
          await compare(what, initialAnswers, '0', examined);
          await checkDerived(what, name, examined);
        });
      }
    }
    const isListed = world.refused && name in world.refused;
    if (isListed && isChangeable)
      examined.failures.push(`${name} is listed as refused, but it can be changed. Remove it from the list.`);
    if (!isListed && !isChangeable)
      examined.failures.push(
        `${name} was never changed. Add a value for it to the world, or list it as refused with the reason.`,
      );
  }

  async function examineRows(
    table: string,
    rows: { tid: string; row: Record<string, unknown> }[],
    examined: Examined,
  ): Promise<void> {
    let isDeletable = false;
    const isReadModel = world.readModels && table in world.readModels.tables;
    for (const { tid, row } of rows) {
      const what = JSON.stringify(row).slice(0, 120);
      await rolledBack(async () => {
        if ((await attempt(`delete from ${domain.name}.${table} t where t.ctid = $1::tid`, [tid])) === undefined)
          return;
        isDeletable = true;
        if (isReadModel) return checkRepair(`deleted from ${table}: ${what}`, table, row, undefined, examined);
        const { after, last } = await compare(`deleted from ${table}: ${what}`, initialAnswers, '0', examined);
        await checkDerived(`deleted from ${table}: ${what}`, table, examined);
        const insert = `insert into ${domain.name}.${table} overriding system value
          select * from jsonb_populate_record(null::${domain.name}.${table}, $1)`;
        if ((await attempt(insert, [row])) === undefined) return;
        await compare(`inserted into ${table}: ${what}`, after, last, examined);
        await checkDerived(`inserted into ${table}: ${what}`, table, examined);
      });
    }
    const isListed = world.undeletable && table in world.undeletable;
    if (isListed && isDeletable)
      examined.failures.push(`${table} is listed as undeletable, but a row was deleted. Remove it from the list.`);
    if (!isListed && !isDeletable)
      examined.failures.push(
        `No row could be deleted from ${table}. Add one that nothing refers to, or list the table.`,
      );
  }

  /** Checks that the repair undoes a change of a read model by hand, and announces every answer that it changes. */
  async function checkRepair(
    what: string,
    table: string,
    row: Record<string, unknown>,
    column: string | undefined,
    examined: Examined,
  ): Promise<void> {
    const unrepaired = world.readModels!.tables[table]!;
    const before = await answers();
    await world.readModels!.repair(tx);
    const after = await answers();
    const announced = await announcedAfter('0');
    const named = new Set(announced.flatMap(({ entities }) => entities));
    for (const entity of named) examined.kinds.add(kindOf(entity));
    for (const [i, sample] of samples.entries()) {
      if (before[i]?.body === after[i]?.body) continue;
      examined.isShown = true;
      if (!sample.entities.some((entity) => named.has(entity)))
        examined.failures.push(describeFailure(what, sample, 'changed in the repair', named));
    }
    if (column !== undefined && column in unrepaired) return;
    const without = (one: Record<string, unknown>) =>
      JSON.stringify(Object.entries(one).filter(([name]) => !(name in unrepaired)));
    const repaired = (await rowsOf(table)).map((one) => without(one.row));
    if (!repaired.includes(without(row))) examined.failures.push(`${what}: was not repaired`);
  }

  return { samples, initialAnswers, examine, failuresWith };
}

function describeFailure(what: string, { name, entities }: Sample, how: string, named: Set<string>): string {
  return `${what}: ${name} ${how}, but none of ${entities.join(', ')} was announced. Announced: ${[...named].join(', ') || 'nothing'}.`;
}

/** Whether an entity matches a template such as `nfts:{address}:{tokenId}`. A name of one part may contain colons. */
function matches(template: string, entity: string): boolean {
  const parts = template.split('{').length - 1;
  return new RegExp(`^${template.replace(/\{\w+\}/g, parts > 1 ? '[^:]+' : '.+')}$`).test(entity);
}

/** Another value of a column's type, and null if it is nullable, as SQL over the row `t`. */
function valuesFor({ name, type, nullable }: Column, now: unknown): string[] {
  const other = neighbors[type.replace(/\(.*\)/, '')];
  if (!other) throw new Error(`The oracle has no other value for the type ${type}. Add one to neighbors.`);
  return [other[now === null ? 1 : 0]!.replaceAll('$', `t.${name}`), ...(nullable && now !== null ? ['null'] : [])];
}

const neighbors: Record<string, [instead: string, insteadOfNull: string]> = {
  text: [`$ || 'x'`, `'x'`],
  integer: ['$ + 1', '7'],
  bigint: ['$ + 1', '7'],
  smallint: ['$ + 1::smallint', '7::smallint'],
  numeric: ['$ + 1', '7'],
  boolean: ['not $', 'true'],
  'timestamp with time zone': [`$ + interval '1 day'`, `timestamptz '2026-01-01'`],
  bytea: ['set_byte($, 0, 255 - get_byte($, 0))', `decode(repeat('ee', 20), 'hex')`],
  jsonb: [`$ || '{"x": 1}'`, `'{"x": 1}'`],
  'integer[]': ['$ || 1', `'{1}'`],
  'timestamp with time zone[]': [`$ || timestamptz '2026-01-02 12:00Z'`, `array[timestamptz '2026-01-02 12:00Z']`],
  'text[]': ["$ || 'x'::text", `'{x}'`],
};
