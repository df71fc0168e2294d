/**
 * SQL that packs rows of a tiered table: one pack per series and day, with an array per column. See migration 0022, which
 * has the functions that unpack them.
 *
 * - Times are offsets from the start of the day, in milliseconds.
 * - A numeric column is whole numbers of a unit, the last decimal place that occurs. If they do not fit a bigint, or one of
 *   them is not a number, they are kept as they are, in `…_exact`.
 * - One element stands for all rows if they are equal, and a null array if all are null.
 */
import type { TieredTable } from '../kernel/table.ts';
import type { ValueColumn } from './tiered-columns.ts';
import type { Transaction } from './transaction.ts';

/** The statement that packs the rows of `source`, a relation with the table's columns. It replaces packs. */
export function packStatement(table: TieredTable, columns: readonly ValueColumn[], source: string): string {
  const { series } = table.tiers;
  const targets = [
    'offsets',
    ...columns.flatMap(({ name, type }) => (type === 'numeric' ? numericParts(name) : [name])),
  ];
  const day = dayOf(table.column);
  return `
    insert into ${packedTableOf(table)} (${[series, 'day', ...targets].join(', ')})
    select ${[series, 'day', 'offsets', ...columns.map(packedColumn)].join(', ')}
    from (
      select *${columns
        .filter(isNumeric)
        .map(({ name }) => fitOf(name))
        .join('')}
      from (
        select ${series}, ${day} as day, count(*) as pack_rows,
          array_agg((date_part('epoch', ${table.column} - ${day}) * 1000)::integer order by ${table.column}) as offsets
          ${columns.map((one) => gathered(one, table.column)).join('')}
        from ${source} as source group by 1, 2
      ) as gathered
    ) as measured
    on conflict (${series}, day) do update set ${targets.map((name) => `${name} = excluded.${name}`).join(', ')}`;
}

/** The number of rows of a relation and a hash of them, whatever their order and the scale of their numbers. */
export async function fingerprint(
  tx: Transaction,
  table: TieredTable,
  columns: readonly ValueColumn[],
  source: string,
  parameters: readonly unknown[] = [],
): Promise<{ rows: string; hash: string | null }> {
  const all = [table.tiers.series, table.column, ...columns.map(({ name }) => name)];
  const { rows } = await tx.query(
    `select count(*)::text as rows, sum(hash_record_extended(row(${all.join(', ')}), 0)::numeric)::text as hash
     from ${source} as source`,
    [...parameters],
  );
  return rows[0];
}

/** The table of packs. */
export function packedTableOf({ schema, name }: TieredTable): string {
  return `${schema}.${name}_packed`;
}

/** SQL for the start of the day of a time. */
export function dayOf(time: string): string {
  return `date_bin('1 day', ${time}, '2000-01-01Z')`;
}

function isNumeric({ type }: ValueColumn): boolean {
  return type === 'numeric';
}

function numericParts(name: string): [units: string, unit: string, exact: string] {
  return [name, suffixed(name, '_unit'), suffixed(name, '_exact')];
}

/** A name, which may be quoted, with a suffix. */
function suffixed(name: string, suffix: string): string {
  return name.endsWith('"') ? `${name.slice(0, -1)}${suffix}"` : `${name}${suffix}`;
}

function gathered({ name, type }: ValueColumn, time: string): string {
  const values = `, array_agg(${name} order by ${time}) as ${name}, count(${name}) as ${suffixed(name, '_count')}`;
  if (type !== 'numeric') return values;
  return `${values}, coalesce(max(scale(trim_scale(${name}))), 0) as ${suffixed(name, '_scale')},
    max(abs(${name})) as ${suffixed(name, '_largest')}`;
}

/** NaN and Infinity are larger than all numbers. */
function fitOf(name: string): string {
  const scale = suffixed(name, '_scale');
  return `, ${suffixed(name, '_largest')} * ('1e' || ${scale})::numeric <= 9223372036854775807 as ${suffixed(name, '_fits')}`;
}

function packedColumn({ name, type }: ValueColumn): string {
  const isEmpty = `${suffixed(name, '_count')} = 0`;
  const isOne = `${suffixed(name, '_count')} = pack_rows and ${name}[1] = all(${name})`;
  if (type !== 'numeric') return `case when ${isEmpty} then null when ${isOne} then ${name}[1:1] else ${name} end`;
  const [scale, fits] = [suffixed(name, '_scale'), suffixed(name, '_fits')];
  const factor = `('1e' || ${scale})::numeric`;
  return `
    case when ${isEmpty} or not ${fits} then null when ${isOne} then array[(${name}[1] * ${factor})::bigint]
      else array(select (value * ${factor})::bigint from unnest(${name}) as value) end,
    case when ${fits} then ('1e-' || ${scale})::numeric end,
    case when ${isEmpty} or ${fits} then null when ${isOne} then ${name}[1:1] else ${name} end`;
}
