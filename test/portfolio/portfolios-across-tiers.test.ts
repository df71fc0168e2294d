/** What portfolios answer about the past stays the same bytes while its rows move from late rows to packs and to files. */
import { expect, test } from 'vitest';
import { portfolio } from '../../functions/portfolio/domain.ts';
import { archiveTable } from '../../shared/archive/archive.ts';
import { forgetMarkers } from '../../shared/archive/read.ts';
import { commit } from '../../shared/changes/commit.ts';
import { packTable } from '../../shared/db/pack-months.ts';
import { tieredTablesOf } from '../../shared/kernel/domain.ts';
import { createArchiveWorld, graceMs } from '../support/archive.ts';
import { replicaCaughtUp } from '../support/database.ts';
import { portfolioImports, wallet } from '../support/portfolios.ts';

const world = await createArchiveWorld();
const { call, importFile, query, passGrace, database } = world;
const { importBalances, importLocks, importPrices } = portfolioImports(world);
const tables = tieredTablesOf([portfolio]);
const dayMs = 86_400_000;
const now = new Date();
/** A day's noon, some days ago. */
const noon = (days: number) =>
  new Date(Math.floor(now.getTime() / dayMs) * dayMs - days * dayMs + dayMs / 2).toISOString();
const longAgo = 600;

const instants = [1, 20, 45, 200, 360, 380, 401, 500, 599].map(noon);
const range = (from: number, to: number) => `from=${noon(from)}&to=${noon(to)}`;
const reads = [
  ...instants.map((at) => `/v1/portfolios/${wallet(1)}?at=${at}`),
  `/v1/portfolios/${wallet(1)}/history?interval=1d&${range(longAgo, 1)}`,
  `/v1/portfolios/${wallet(1)}/history?interval=1h&${range(420, 330)}`,
  `/v1/portfolios/${wallet(1)}/history?interval=5m&${range(470, 440)}&limit=7`,
  `/v1/portfolios/${wallet(1)}/positions/history?${range(600, 250)}`,
  `/v1/portfolios/${wallet(1)}/positions/history?${range(399, 1)}&limit=5`,
];

/** The bodies of all reads, loaded anew, over all pages, and what served them. */
async function answers(): Promise<{ bodies: string[]; servers: Set<string> }> {
  forgetMarkers();
  await commit((tx) =>
    tx.query(`select platform.announce('balance_changed', array['portfolios:${wallet(1)}', 'portfolio-list:all'])`),
  );
  await replicaCaughtUp(database.pool);
  const bodies: string[] = [];
  const servers = new Set<string>();
  const add = ({ status, text, headers }: Awaited<ReturnType<typeof call>>) => {
    expect([status, text]).toEqual([200, text]);
    bodies.push(text);
    for (const server of headers['x-served-by']!.split(', ')) servers.add(server);
  };
  for (const url of reads)
    for (let cursor: string | null = ''; cursor !== null; ) {
      const reply = await call(`${url}${cursor === '' ? '' : `&cursor=${cursor}`}`);
      add(reply);
      cursor = reply.json.nextCursor ?? null;
    }
  for (const at of instants)
    add(await call('/v1/portfolios/batch', { method: 'POST', body: { wallets: [wallet(1), wallet(2)], at } }));
  return { bodies, servers };
}

async function archiveAll(): Promise<void> {
  for (const table of tables) await archiveTable(table, { now, graceMs });
}

test('the same bytes from late rows, packs, and files, and with rows that arrive late', async () => {
  const days = Array.from({ length: longAgo }, (_, i) => longAgo - i);
  await importPrices(
    ...days.flatMap((day): [string, string, string][] => [
      ['AAA', noon(day), `${1 + (day % 17)}.${day}`],
      ...(day % 9 === 0 ? [['BBB', noon(day), `${day}`] as [string, string, string]] : []),
    ]),
  );
  await importBalances(
    ...days
      .filter((day) => day % 40 === 0)
      .flatMap((day): [string, string, string, number][] => [
        [wallet(1), 'AAA', noon(day), 1 + (day % 3)],
        [wallet(1), 'BBB', noon(day), day],
        [wallet(2), 'BBB', noon(day + 1), 2],
      ]),
  );
  await importLocks(
    ...days
      .filter((day) => day % 25 === 0)
      .map((day): [string, string, string, string, number] => [
        wallet(1),
        `${day % 2}`,
        noon(day),
        `${day}.000000000000000001`,
        0,
      ]),
  );
  const values = days.map((day) => `${wallet(1)},${noon(day)},${day}.25,2,${day % 2}`);
  await importFile('values', 'v.csv', ['wallet,as_of,value_usd,priced_tokens,unpriced_tokens', ...values].join('\n'));
  const late = await answers();
  expect([...late.servers]).not.toContain('archive');
  const at = (body: string) => JSON.parse(body) as { valueUsd: string | null; unpricedTokens: number };
  expect(late.bodies.slice(0, instants.length).filter((body) => at(body).valueUsd !== null).length).toBeGreaterThan(7);
  expect(late.bodies.slice(0, instants.length).some((body) => at(body).unpricedTokens > 0)).toBe(true);

  for (const table of tables) await packTable(table, { now, deadline: new Date(Date.now() + 60_000) });
  expect((await answers()).bodies).toEqual(late.bodies);

  await archiveAll();
  const cold = await answers();
  expect([...cold.servers]).toContain('archive');
  expect(cold.bodies).toEqual(late.bodies);
  await passGrace();
  await archiveAll();
  expect(
    (await query('select name from platform.archives group by name having bool_and(state = $1)', ['dropped'])).length,
  ).toBe(3);
  expect((await answers()).bodies).toEqual(late.bodies);

  // a price that arrives for a month in a file
  const [first] = instants.slice(-1);
  const before = (await call(`/v1/portfolios/${wallet(1)}?at=${first}`)).json.valueUsd;
  await importPrices(['AAA', first!, '12345']);
  const after = (await call(`/v1/portfolios/${wallet(1)}?at=${first}`)).json;
  expect(after.valueUsd).not.toBe(before);
  expect(after.holdings.find(({ token }: { token: string }) => token === 'aaa').priceUsd).toBe('12345');
}, 240_000);
