/** How long writers wait while a filled table is converted to partitions, against the same time without a conversion. */
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { convertToPartitions } from '../shared/db/convert-to-partitions.ts';
import { spread } from './world.ts';

const rounds = 3;
const writesPerSecond = 50;
const writers = 4;

/** @param rows  how many prices are in the table of prices, or in its packs */
export async function benchConversion(client: pg.Client, writer: string, rows: number): Promise<void> {
  const stalls: Record<'quiet' | 'converting', number[]> = { quiet: [], converting: [] };
  const took: number[] = [];
  for (let round = 0; round < rounds; round++) {
    await client.query(`
      drop schema if exists bench cascade;
      create schema bench;
      create table bench.prices (token_id integer references portfolio.tokens, recorded_at timestamptz, price_usd numeric not null,
        source text not null, primary key (token_id, recorded_at));
      insert into bench.prices select 1 + n % 100, timestamptz '2026-10-31Z' - n / 100 * interval '5 min', n * 0.01, 'defillama'
      from generate_series(0, ${rows - 1}) as n;
      create index on bench.prices (recorded_at)`);
    await client.query('vacuum analyze bench.prices');
    const work = async () => {
      const startedAt = performance.now();
      await convertToPartitions(
        { schema: 'bench', name: 'prices', partitions: { by: 'month', column: 'recorded_at', ahead: 6 } },
        { now: new Date('2026-10-31Z') },
      );
      took.push(performance.now() - startedAt);
    };
    stalls.converting.push(await longestWrite(writer, round, work));
    stalls.quiet.push(await longestWrite(writer, round + rounds, () => wait(took.at(-1)!)));
  }
  console.log(
    `  converting took ${spread(took, 0)} ms; the longest of ${writesPerSecond} writes/s took ${spread(stalls.converting, 1)} ms, without a conversion ${spread(stalls.quiet, 1)} ms`,
  );
}

/** The longest write in ms while `work` runs. */
async function longestWrite(writer: string, round: number, work: () => Promise<unknown>): Promise<number> {
  const [host, port] = writer.split(':') as [string, string];
  const settings = { host, port: Number(port), user: 'owner', password: 'owner', database: 'postgres' };
  let isDone = false;
  let longest = 0;
  const running = Array.from({ length: writers }, async (_, one) => {
    const client = new pg.Client(settings);
    await client.connect();
    for (let count = 0; !isDone; count++) {
      const at = new Date(Date.UTC(2026, 9, 31, 1 + one, round, 0, count));
      const startedAt = performance.now();
      await client.query(`insert into bench.prices values ($1, $2, 1, 'defillama')`, [1 + (count % 100), at]);
      longest = Math.max(longest, performance.now() - startedAt);
      await wait((1_000 * writers) / writesPerSecond);
    }
    await client.end();
  });
  await wait(500);
  longest = 0;
  await work();
  await wait(200);
  isDone = true;
  await Promise.all(running);
  return longest;
}
