/**
 * While a transaction is open, the code must wait only for the database: a slow upstream, queue, or Redis would hold back
 * the xmin of every snapshot in the cluster.
 *
 * The test checks the syntax. In a function with a parameter `tx`, every awaited or returned call must pass `tx` on or be
 * a method of it. The called function has a `tx` too, so the rule holds all the way down.
 */
import { glob, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from '@swc/core';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));

const exceptions = [
  // COPY streams rows from memory to `tx`
  'shared/db/stage-rows.ts: pipeline(Readable.from(encodeCopy(',
  // a month goes into its file, or comes back from it, in one snapshot; the file takes the rows as they stream
  'shared/archive/export.ts: ',
  'shared/archive/restore.ts: fileChunks(',
  // where a test kills the archive
  'shared/archive/archive.ts: reach(',
  // only another connection sees what was committed after the snapshot
  'functions/wallets/refresh-snapshots.ts: query<{ wallet_address: Buffer }>(',
];

interface Node {
  type: string;
  span: { start: number; end: number };
  // biome-ignore lint/suspicious/noExplicitAny: the fields differ by type
  [field: string]: any;
}

test('no transaction waits for anything but the database', async () => {
  const found: string[] = [];
  for await (const file of glob('{shared,functions}/**/*.ts', { cwd: root })) {
    const source = await readFile(join(root, file), 'utf8');
    for (const violation of await findViolations(source)) found.push(`${file}: ${violation}`);
  }
  expect(found.filter((violation) => !exceptions.some((one) => violation.startsWith(one)))).toEqual([]);
});

test('a call that does not use the transaction of a sync is found', async () => {
  const source = await readFile(join(root, 'shared/jobs/sync.ts'), 'utf8');
  const broken = source.replace('await moveCheckpoint(tx, lease, batch.next, counts);', 'await nudgeRelay();');
  expect(await findViolations(source)).toEqual([]);
  expect(await findViolations(broken)).toEqual(['nudgeRelay()']);
});

const violations: [code: string, violation: string][] = [
  ['await commit(async (tx) => { await tx.query(a); await fetch(b); })', 'fetch(b)'],
  ['await commit((tx) => enqueueJob(a))', 'enqueueJob(a)'],
  ['await commit(async (tx) => { for (const a of b) await send(a); })', 'send(a)'],
  ['async function record(tx: Transaction) { if (a) return query(a); }', 'query(a)'],
  [
    'async function record(tx: Transaction) { await Promise.all(rows.map((row) => send(row))); }',
    'Promise.all(rows.map((row) => send(row)))',
  ],
  [
    'const sync = { async apply(tx, rows) { await (await getCache()).raise(rows); } }',
    '(await getCache()).raise(rows)',
  ],
  ['const sync = { finish: async (tx) => a ? b : load(c).catch(d) }', 'load(c).catch(d)'],
  ['async function record(tx: Transaction) { for await (const row of stream) use(row); }', 'stream'],
  ['async function record(tx: Transaction) { await pending; }', 'pending'],
  ['async function record(client: Transaction) {}', 'client'],
  ['await commit(async () => send(a))', 'async () => send(a)'],
];

test.each(violations)('a violation is found: %s', async (code, violation) => {
  expect(await findViolations(code)).toContain(violation);
});

test.each([
  'await commit(async (tx) => { await tx.query(a); await record(tx, b).catch(c); return count; }); await nudge();',
  'async function record(tx: Transaction) { const a = rows.map((row) => parse(row)); return a.map(({ b }) => b); }',
  'const sync = { apply: (tx, rows) => rows.length === 0 ? nothing : handler.apply!(tx, rows), finish: (tx) => finish?.(tx) }',
])('calls that use the transaction are allowed: %s', async (code) => {
  expect(await findViolations(code)).toEqual([]);
});

/** The source text of each violation. */
async function findViolations(source: string): Promise<string[]> {
  // the module's span ends at its last token, so this adds one at a known position
  const bytes = Buffer.from(`${source}\n;`);
  const module = (await parse(bytes.toString(), { syntax: 'typescript' })) as unknown as Node;
  const start = module.span.end - bytes.length;
  return violationsIn(module, false).map(({ span }) => bytes.toString('utf8', span.start - start, span.end - start));
}

function violationsIn(node: Node, isInside: boolean): Node[] {
  const parameters = parametersOf(node);
  const takesTx = parameters.some(isTx);
  const waited = isInside || takesTx ? awaitedBy(node) : [];
  return [
    ...parameters.filter((one) => isTransaction(one) && !isTx(one)),
    ...workOf(node).filter((work) => !parametersOf(work).some(isTx)),
    ...[...waited, ...(takesTx ? returnedBy(node) : [])].filter((one) => !usesTx(one)),
    ...childrenOf(node).flatMap((child) => violationsIn(child, isInside || takesTx)),
  ];
}

const parametersOf = (node: Node): Node[] => (node.params ?? []).map((one: Node) => one.pat ?? one);

/** The function literal that a call passes to `commit` or `inTransaction`. */
function workOf({ callee, arguments: given }: Node): Node[] {
  const opens = ['commit', 'inTransaction'].includes(callee?.value);
  return opens && given[0]?.expression.body ? [given[0].expression] : [];
}

const isTx = (node: Node) => node.type === 'Identifier' && node.value === 'tx';
const isTransaction = ({ typeAnnotation }: Node) => typeAnnotation?.typeAnnotation?.typeName?.value === 'Transaction';

function awaitedBy(node: Node): Node[] {
  if (node.type === 'AwaitExpression') return [unwrap(node.argument)];
  return node.type === 'ForOfStatement' && node.await ? [node.right] : [];
}

/** The calls whose results a function returns, except those of array methods. */
function returnedBy(fn: Node): Node[] {
  const { body } = fn;
  if (!body) return [];
  if (body.type !== 'BlockStatement') return callsOf(body);
  return returnsOf(body).flatMap(({ argument }) => (argument ? callsOf(argument) : []));
}

function returnsOf(node: Node): Node[] {
  if (node.params) return [];
  return node.type === 'ReturnStatement' ? [node] : childrenOf(node).flatMap(returnsOf);
}

/** The calls whose result the expression may have. */
function callsOf(expression: Node): Node[] {
  const node = unwrap(expression);
  if (node.type === 'ConditionalExpression') return [node.consequent, node.alternate].flatMap(callsOf);
  const isOfArray = unwrap(node.callee ?? node).property?.value in Array.prototype;
  return node.type === 'CallExpression' && !isOfArray ? [node] : [];
}

function unwrap(node: Node): Node {
  if (node.type === 'ParenthesisExpression' || node.type === 'TsNonNullExpression') return unwrap(node.expression);
  return node.type === 'OptionalChainingExpression' ? unwrap(node.base) : node;
}

/** `tx.query(…)`, `record(tx, …)`, and either with `.catch(…)` or the like after it. */
function usesTx(node: Node): boolean {
  if (node.type !== 'CallExpression') return false;
  const callee = unwrap(node.callee);
  const target = callee.type === 'MemberExpression' ? unwrap(callee.object) : undefined;
  const given: Node[] = node.arguments.map(({ expression }: { expression: Node }) => expression);
  return given.some(isTx) || (target !== undefined && (isTx(target) || usesTx(target)));
}

function childrenOf(node: Node): Node[] {
  return Object.values(node)
    .flat()
    .flatMap((value) => (value?.type ? [value] : value?.expression?.type ? [value.expression] : []));
}
