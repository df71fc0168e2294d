/** A tiered table of readings, and a plain map of the rows that it should have. */
import type pg from 'pg';
import { expect } from 'vitest';
import { createPartitions } from '../../shared/db/partitions.ts';
import { closedUntil, lateTableOf } from '../../shared/db/tiers.ts';
import { inTransaction } from '../../shared/db/transaction.ts';
import type { PartitionedTable, TieredTable } from '../../shared/kernel/table.ts';

export interface Reading {
  sensor: number;
  at: Date;
  celsius: string | null;
  exact: string | null;
  place: string | null;
  seenAt: Date | null;
  count: number;
}

export type Table = TieredTable & PartitionedTable;

/** Ranges that a read takes. */
interface Range {
  sensors: readonly number[];
  since: string | Date;
  until: string | Date;
}

export const everything: Range = { sensors: [1, 2, 3, 4], since: '-infinity', until: 'infinity' };

export class History {
  readonly table: Table;
  readonly name: string;
  readonly model = new Map<string, Reading>();
  readonly #pool: pg.Pool;

  private constructor(pool: pg.Pool, schema: string) {
    this.#pool = pool;
    this.name = `${schema}.readings`;
    this.table = {
      schema,
      name: 'readings',
      column: 'at',
      partitions: { by: 'month', column: 'at', ahead: 2, hash: { column: 'sensor', count: 2 } },
      tiers: {
        series: 'sensor',
        columns: {
          sensor: 'integer',
          at: 'timestamptz',
          celsius: 'numeric',
          exact: 'numeric',
          place: 'text',
          seen_at: 'timestamptz',
          count: 'integer',
        },
        hotDays: 30,
        warmDays: 365,
      },
    };
  }

  /** An empty table in a schema of its own, which takes rows of months from `firstMonth` on. */
  static async create(pool: pg.Pool, schema: string, firstMonth: string): Promise<History> {
    const history = new History(pool, schema);
    await pool.query(`
      drop schema if exists ${schema} cascade;
      delete from platform.tiers where name = '${history.name}';
      create schema ${schema};
      create table ${history.name} (sensor integer, at timestamptz, celsius numeric, exact numeric(40, 20), place text,
        seen_at timestamptz, count integer not null, primary key (sensor, at)) partition by range (at);
      select platform.create_tiers('${schema}', 'readings', 'sensor', 'at');
      update platform.tiers set closed_until = '${firstMonth}', packed_until = '${firstMonth}' where name = '${history.name}'`);
    await createPartitions([history.table], new Date(firstMonth));
    return history;
  }

  async drop(): Promise<void> {
    await this.#pool.query(
      `drop schema ${this.table.schema} cascade; delete from platform.tiers where name = '${this.name}'`,
    );
  }

  /** Writes rows by the protocol of writers: of rows with one key the last counts. */
  async write(readings: readonly Reading[]): Promise<void> {
    await inTransaction(async (tx) => {
      const closed = await closedUntil(tx, this.name);
      for (const one of readings) {
        const target = one.at < closed ? lateTableOf(this.name) : this.name;
        await tx.query(
          `insert into ${target} values ($1, $2, $3, $4, $5, $6, $7) on conflict (sensor, at) do update set
             celsius = excluded.celsius, exact = excluded.exact, place = excluded.place, seen_at = excluded.seen_at, count = excluded.count`,
          [one.sensor, one.at, one.celsius, one.exact, one.place, one.seenAt, one.count],
        );
      }
    });
    for (const one of readings) this.model.set(`${one.sensor} ${one.at.toISOString()}`, one);
  }

  /** Reads a range through all tiers, and compares it with the model. */
  async check({ sensors, since, until }: Range = everything): Promise<void> {
    const { rows } = await this.#pool.query(
      `select ${columns} from ${this.name}_rows($1, $2, $3, '-infinity') order by sensor, at`,
      [sensors, since, until],
    );
    const isInside = (one: Reading) =>
      sensors.includes(one.sensor) &&
      !(since > one.at && since instanceof Date) &&
      (!(until instanceof Date) || one.at < until);
    expect(rows).toEqual(this.#expected(isInside));
  }

  /** Reads the last row of a sensor in [since, at], and compares it with the model. */
  async checkLast(sensor: number, at: Date, since: Date): Promise<void> {
    const { rows } = await this.#pool.query(`select ${columns} from ${this.name}_last($1, $2, $3, '-infinity')`, [
      sensor,
      at,
      since,
    ]);
    const expected = this.#expected((one) => one.sensor === sensor && one.at >= since && one.at <= at);
    expect(rows).toEqual(expected.slice(-1));
  }

  /** The sizes of the table and of what stands beside it. */
  async sizes(): Promise<{ raw: number; packs: number; late: number; partitions: string[] }> {
    const { rows } = await this.#pool.query(`
      select (select count(*)::int from ${this.name}) as raw, (select count(*)::int from ${this.name}_packed) as packs,
        (select count(*)::int from ${this.name}_late) as late,
        array(select inhrelid::regclass::text from pg_inherits where inhparent = '${this.name}'::regclass order by 1) as partitions`);
    return rows[0];
  }

  #expected(isInside: (one: Reading) => boolean): unknown[] {
    return [...this.model.values()]
      .filter(isInside)
      .sort((a, b) => a.sensor - b.sensor || a.at.getTime() - b.at.getTime())
      .map((one) => ({
        ...one,
        at: one.at.toISOString(),
        seenAt: one.seenAt?.toISOString() ?? null,
      }));
  }
}

const columns = `sensor, platform.iso(at) as at, trim_scale(celsius)::text as celsius, trim_scale(exact)::text as exact, place,
  platform.iso(seen_at) as "seenAt", count`;
