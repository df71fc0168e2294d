/**
 * Every list at size: its first page, deep pages, and pages inside ties, for each sort order and filter. The limit is a
 * lookup by key over the same connection, timed in turn with each page. The plan is that of one more run, with what would
 * grow with the table: sequential scans, large sorts, and nested loops.
 */
import type pg from 'pg';
import { listCollections } from '../functions/collections/list-collections.ts';
import { listHolders } from '../functions/collections/list-holders.ts';
import { listNftTransfers } from '../functions/collections/list-nft-transfers.ts';
import { listNfts } from '../functions/collections/list-nfts.ts';
import { listUserCollections } from '../functions/collections/list-user-collections.ts';
import { listWalletCollections } from '../functions/collections/list-wallet-collections.ts';
import { getExplorerFilters } from '../functions/wallets/get-explorer-filters.ts';
import { getPriceHistory } from '../functions/wallets/get-price-history.ts';
import { listEditions } from '../functions/wallets/list-editions.ts';
import { listHoldings } from '../functions/wallets/list-holdings.ts';
import { listTopWallets } from '../functions/wallets/list-top-wallets.ts';
import { search } from '../functions/wallets/search.ts';
import type { Endpoint } from '../shared/http/endpoint.ts';
import { fillReadsWorld, named, sizes } from './reads-world.ts';
import { median, startBenchDatabase, timeMs } from './world.ts';

const runs = 50;
const aimMs = 25;
const growing = 5_000;

interface Read {
  endpoint: Endpoint;
  path: Record<string, string>;
  /** Parameters as a query string. */
  query: string;
  /** Where to begin: a share of the list, reached by pages of the largest size. */
  depth?: number;
}

const { collection, list, owner, holder, fid, wallet, smallWallet, edition } = named;
const holdingSorts = ['-acquired', 'acquired', 'serial', '-floor', 'moment'];
const editionSorts = ['id', '-floor', 'floor', '-lastSale', '-holders', '-supply', '-lockedShare'];
const boards = ['moments', 'floorValue', 'tier.COMMON', 'tier.ULTIMATE', 'team.Team 7'];

const reads: Read[] = [
  ...['name', '-holders', '-tokens', '-refreshed'].flatMap((sort) =>
    atDepths(listCollections, {}, `sort=${sort}`, [0, 0.05, 0.9]),
  ),
  ...[
    'page=1',
    'page=1000',
    'page=2000',
    'page=3999',
    'trait.Type 1=Value 1&page=2000',
    'trait.Type 2=Value 1&page=1',
    'trait.Type 2=Value 1&page=1000',
    'trait.Type 8=Value 3&page=1',
    'trait.Type 8=Value 3&page=400',
    'trait.Type 2=Value 1&trait.Type 7=Value 1&page=1',
    `owner=${owner}&page=1`,
    `owner=${owner}&page=300`,
    `owner=${owner}&trait.Type 7=Value 1&page=1`,
  ].map((query) => ({ endpoint: listNfts, path: { address: collection }, query })),
  ...atDepths(listHolders, { address: collection }, '', [0, 0.5, 0.9]),
  ...atDepths(listHolders, { address: list }, '', [0, 0.5]),
  ...atDepths(listHolders, { address: list }, 'asOf=2026-02-01T00:00:00Z', [0, 0.5]),
  ...atDepths(listNftTransfers, { address: collection, tokenId: '1' }, '', [0, 0.9]),
  ...atDepths(listWalletCollections, { address: holder }, '', [0, 0.9]),
  { endpoint: listUserCollections, path: { fid }, query: '' },
  ...holdingSorts.flatMap((sort) => atDepths(listHoldings, { address: smallWallet }, `sort=${sort}`, [0])),
  ...holdingSorts.flatMap((sort) => atDepths(listHoldings, { address: wallet }, `sort=${sort}`, [0, 0.5])),
  ...holdingSorts.flatMap((sort) =>
    ['locked=true', 'tier=COMMON', 'tier=ULTIMATE&locked=false', 'team=Team 7', 'edition=10-10'].flatMap((filter) =>
      atDepths(listHoldings, { address: wallet }, `sort=${sort}&${filter}`, sort === 'moment' ? [0] : [0, 0.5]),
    ),
  ),
  ...editionSorts.flatMap((sort) => atDepths(listEditions, {}, `sort=${sort}`, [0, 0.5])),
  ...['tier=COMMON', 'team=Team 7', 'player=Moon Player 12'].map((filter) => ({
    endpoint: listEditions,
    path: {},
    query: `sort=-floor&${filter}`,
  })),
  ...boards.flatMap((by) => atDepths(listTopWallets, {}, `by=${by}`, [0, 0.5])),
  { endpoint: listTopWallets, path: {}, query: 'wallet=0x00000000000000aa' },
  ...['ab', 'mo', 'zz', 'moo', 'pixel', 'moon apes', 'Player 12', '0xab', '0xabcd'].map((q) => ({
    endpoint: search,
    path: {},
    query: `q=${q}`,
  })),
  ...atDepths(getPriceHistory, { id: edition }, 'limit=500', [0]),
  { endpoint: getPriceHistory, path: { id: edition }, query: 'limit=5000&from=2028-01-01T00:00:00Z' },
  { endpoint: getExplorerFilters, path: {}, query: '' },
];

function atDepths(endpoint: Endpoint, path: Record<string, string>, query: string, depths: number[]): Read[] {
  return depths.map((depth) => ({ endpoint, path, query, depth }));
}

/** `npm run bench -- reads` */
export async function benchReads(): Promise<void> {
  const { client, stop } = await startBenchDatabase();
  const filledMs = await timeMs(() => fillReadsWorld(client));
  console.log(`${JSON.stringify(sizes)}, filled in ${(filledMs / 1_000).toFixed(0)} s`);
  await measure(client);
  await stop();
}

async function measure(client: pg.Client): Promise<void> {
  console.log(
    `ms of ${runs} runs, warm: median, p95, and the median as a multiple of a lookup by key in turn with it\n` +
      `plans: nodes with their rows, and after a minus the rows that a filter removed`,
  );
  const lookups: number[] = [];
  const over: string[] = [];
  for (const read of reads) {
    const label = labelOf(read);
    const statement = await statementAt(client, read);
    const { times, limits } = await timeInTurn(client, statement);
    lookups.push(...limits);
    const [middle, p95] = [median(times), percentile95(times)];
    const { outline, flags } = await explain(client, statement);
    if (p95 > aimMs || flags.length > 0) over.push(`${label}: p95 ${p95.toFixed(1)} ms; ${flags.join(', ')}`);
    console.log(
      `${label.padEnd(84)} ${middle.toFixed(2).padStart(7)} ${p95.toFixed(2).padStart(7)} ${(middle / median(limits)).toFixed(0).padStart(5)} ×\n    ${outline}`,
    );
  }
  console.log(`\nA lookup by key: median ${median(lookups).toFixed(2)} ms, p95 ${percentile95(lookups).toFixed(2)} ms`);
  console.log(`Over ${aimMs} ms, or with a step over more than ${growing} rows: ${over.length} of ${reads.length}`);
  for (const one of over) console.log(`  ${one}`);
}

interface Statement {
  text: string;
  values: unknown[];
}

async function timeInTurn(client: pg.Client, statement: Statement) {
  const limit = () =>
    client.query(`select jsonb_build_object('id', id)::text from wallets.editions where id = $1`, [7]);
  const [times, limits]: [number[], number[]] = [[], []];
  for (let run = 0; run < runs + 3; run++) {
    const [limitMs, ms] = [await timeMs(limit), await timeMs(() => client.query(statement))];
    if (run < 3) continue;
    times.push(ms);
    limits.push(limitMs);
  }
  return { times, limits };
}

/** The statement of a page: the first, or the one that a cursor leads to after a share of the list. */
async function statementAt(client: pg.Client, read: Read): Promise<Statement> {
  if (!read.depth) return statementOf(read);
  // one page of everything, then one that ends at the depth
  const all = await bodyOf(client, statementOf(read, 1_000_000));
  const items = Object.values(all).find(Array.isArray)!.length;
  const { nextCursor } = await bodyOf(client, statementOf(read, Math.max(1, Math.floor(items * read.depth))));
  return statementOf(read, undefined, nextCursor ?? undefined);
}

async function bodyOf(client: pg.Client, statement: Statement) {
  const { rows } = await client.query<{ body: string }>(statement);
  return JSON.parse(rows[0]!.body);
}

function statementOf({ endpoint, path, query }: Read, limit?: number, cursor?: string): Statement {
  const { pathParameters, query: parameters } = endpoint.operation;
  const given = [...new URLSearchParams(query)].map(([name, value]) => [
    name,
    name.startsWith('trait.') ? [value] : value,
  ]);
  const parsed = parameters.parse({ ...Object.fromEntries(given), ...(cursor && { cursor }) });
  const input = { path: pathParameters.parse(path), query: limit ? { ...parsed, limit } : parsed, body: undefined };
  const { text, values } = endpoint.statement!(input as never);
  return { text, values };
}

function labelOf({ endpoint, path, query, depth }: Read): string {
  const short = [...Object.values(path), query]
    .filter((one) => one !== '')
    .map((one) => one.replace(/(0x\w{2})\w+(\w{2})/g, '$1…$2'));
  return `${endpoint.operation.operationId} ${short.join(' ')}${depth ? ` at ${depth * 100} %` : ''}`;
}

const percentile95 = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.ceil(values.length * 0.95) - 1]!;

interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Shared Hit Blocks': number;
  'Shared Read Blocks': number;
  Plans?: PlanNode[];
}

/** The nodes of a plan that read or sort rows, with their numbers of rows, and those that grow with a table. */
async function explain(client: pg.Client, { text, values }: Statement): Promise<{ outline: string; flags: string[] }> {
  const { rows } = await client.query(`explain (analyze, buffers, timing off, format json) ${text}`, values);
  const root: PlanNode = rows[0]['QUERY PLAN'][0].Plan;
  const nodes: string[] = [];
  const flags: string[] = [];
  const visit = (node: PlanNode) => {
    const count = Math.round(node['Actual Rows'] * node['Actual Loops']);
    const removed = Math.round((node['Rows Removed by Filter'] ?? 0) * node['Actual Loops']);
    const name = node['Index Name'] ?? node['Relation Name'];
    if (node['Actual Loops'] > 0 && (name || /Sort|Nested/.test(node['Node Type']))) {
      const what = `${node['Node Type']}${name ? ` ${name}` : ''} ${count}${removed ? `-${removed}` : ''}`;
      nodes.push(what);
      if (count + removed > growing && /Seq Scan|Sort|Nested|Index|Bitmap Heap/.test(node['Node Type']))
        flags.push(what);
    }
    node.Plans?.forEach(visit);
  };
  visit(root);
  const buffers = root['Shared Hit Blocks'] + root['Shared Read Blocks'];
  return { outline: `${nodes.join(' · ')} · ${buffers} buffers`, flags };
}
