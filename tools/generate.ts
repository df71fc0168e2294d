/** `npm run generate`: writes the documentation that is derived from the declarations. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { domains } from '../functions/registry.ts';
import { variables } from '../shared/env.ts';
import type { Domain } from '../shared/kernel/domain.ts';
import type { Invocation } from '../shared/kernel/function.ts';
import { jobNameOf, type Schedule, schedulesOf } from '../shared/kernel/job.ts';
import type { Operation } from '../shared/kernel/operation.ts';
import type { TableDeclaration } from '../shared/kernel/table.ts';
import { entityTemplatesOf, ttlSecondsOf } from '../shared/kernel/view.ts';

/** The files that are generated as a whole or in part, with their expected content. */
async function derivedFiles(root: string): Promise<Map<string, string>> {
  const files = new Map([['.env.example', envExample()]]);
  for (const domain of domains) {
    const path = `functions/${domain.name}/README.md`;
    const text = await readFile(join(root, path), 'utf8');
    files.set(path, fillMarkers(path, text, sections(domain)));
  }
  return files;
}

/** The generated files that are out of date. */
export async function staleFiles(root: string): Promise<string[]> {
  const stale: string[] = [];
  for (const [path, wanted] of await derivedFiles(root)) {
    const found = await readFile(join(root, path), 'utf8').catch(() => undefined);
    if (found !== wanted) stale.push(path);
  }
  return stale;
}

function envExample(): string {
  const lines = Object.entries(variables).map(([name, { purpose }]) => `# ${purpose}\n${name}=\n`);
  return `# The settings of a function. The stack sets them; generated from shared/env.ts.\n\n${lines.join('\n')}`;
}

/** Puts each section between its markers. @throws Error  a section has no markers */
function fillMarkers(path: string, text: string, filled: Record<string, string>): string {
  let result = text;
  for (const [name, content] of Object.entries(filled)) {
    const block = new RegExp(`(<!-- generated:${name} -->\\n)[\\s\\S]*?(<!-- /generated:${name} -->)`);
    if (!block.test(result)) throw new Error(`${path} has no <!-- generated:${name} --> … <!-- /generated:${name} -->`);
    result = result.replace(block, (_, open: string, close: string) => `${open}${content}\n${close}`);
  }
  return result;
}

function sections(domain: Domain): Record<string, string> {
  const filled: Record<string, string> = {
    routes: routes(domain),
    entities: entities(domain),
    tables: tables(domain),
    events: events(domain),
  };
  if (Object.keys(domain.jobs).length > 0) filled.jobs = jobs(domain);
  if (Object.keys(domain.datasets).length > 0) filled.datasets = datasets(domain);
  if (domain.functions) filled.functions = functions(domain);
  return filled;
}

function routes({ operations }: Domain): string {
  const rows = Object.values(operations).map((operation) => [
    `\`${operation.method} ${operation.path}\``,
    `[${operation.operationId}](${fileOf(operation)})`,
    cachedWhere(operation),
    operation.summary,
  ]);
  return table(['route', 'operation', 'cached', 'summary'], rows);
}

function cachedWhere({ cache }: Operation): string {
  if (!cache) return '–';
  if (cache.kind === 'ttlOnly') return `${ttlSecondsOf(cache)} s`;
  return `${ttlSecondsOf(cache)} s, voided by ${entityTemplatesOf(cache).map(code).join(', ')}`;
}

function entities(domain: Domain): string {
  const rows = Object.entries(domain.entities).map(([kind, summary]) => [code(kind), summary]);
  return table(['kind', 'what a fence on it voids'], rows);
}

function tables(domain: Domain): string {
  const announced = (announces: TableDeclaration['announces']) =>
    'nothing' in announces ? announces.nothing : announces.map(code).join(', ');
  const rows = Object.entries(domain.tables).map(([name, { summary, announces }]) => [
    code(`${domain.name}.${name}`),
    summary,
    announced(announces),
  ]);
  return table(['table', 'contents', 'entities that its changes announce'], rows);
}

function events(domain: Domain): string {
  const rows = Object.values(domain.events).map(({ type, summary, entities }) => [
    code(type),
    summary,
    entities.map(code).join(', '),
  ]);
  return table(['event', 'meaning', 'entities'], rows);
}

function jobs(domain: Domain): string {
  const rows = Object.values(domain.jobs).map((job) => [
    `[${jobNameOf(job)}](${kebab(job.name)}.ts)`,
    job.lane,
    [...schedulesOf(job).map(scheduleText), ...(job.on ?? []).map(({ type }) => code(type))].join(', ') || 'on demand',
    (job.upstreams ?? []).map(({ name }) => name).join(', '),
    job.summary,
  ]);
  return table(['job', 'lane', 'started by', 'upstreams', 'summary'], rows);
}

function scheduleText({ expression, params }: Schedule): string {
  const given = Object.entries(params ?? {}).map(([name, value]) => code(`${name}: ${value}`));
  return [code(expression), ...given].join(' with ');
}

function datasets(domain: Domain): string {
  const rows = Object.values(domain.datasets).map(({ name, settable, summary }) => [
    code(`${domain.name}.${name}`),
    settable.map(code).join(', '),
    summary,
  ]);
  return table(['dataset', '`--set` columns', 'summary'], rows);
}

function functions(domain: Domain): string {
  const rows = Object.entries(domain.functions ?? {}).map(([name, { invoked, summary }]) => [
    `[${name}](${name}.ts)`,
    startedBy(invoked),
    summary,
  ]);
  return table(['function', 'invoked by', 'summary'], rows);
}

function startedBy(invoked: Invocation): string {
  switch (invoked.by) {
    case 'queue':
      return `its queue${invoked.schedule ? `, ${code(invoked.schedule)}` : ''}`;
    case 'events':
      return `every event${invoked.againAfterSeconds ? `, and again after ${invoked.againAfterSeconds} s` : ''}`;
    case 'schedule':
      return code(invoked.schedule);
    case 'deployment':
      return `each deployment, ${invoked.when === 'before' ? 'before new code gets traffic' : 'at its end'}`;
    case 'authorizer':
      return 'the gateway';
  }
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

const code = (text: string) => `\`${text}\``;
const kebab = (name: string) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const fileOf = (operation: Operation) => `${kebab(operation.operationId)}.ts`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL('../', import.meta.url));
  for (const [path, text] of await derivedFiles(root)) await writeFile(join(root, path), text);
}
