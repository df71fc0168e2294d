/** Rules for the declarations of all domains together that types cannot express. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type Domain, kindOf, upstreamsOfApi, upstreamsOfEtl } from '../shared/kernel/domain.ts';
import { jobNameOf, schedulesOf } from '../shared/kernel/job.ts';
import { entityTemplatesOf } from '../shared/kernel/view.ts';
import { unboundedIn } from './bounds.ts';

/** The problems in the declarations of `domains`, each with its fix. Expects their files below `root`. */
export function findProblems(domains: readonly Domain[], root: string): string[] {
  return [
    ...ambiguousNames(domains),
    ...domains.flatMap((domain) => entityProblems(domain, domains)),
    ...domains.flatMap(queryProblems),
    ...domains.flatMap(pathProblems),
    ...domains.flatMap(viewProblems),
    ...domains.flatMap((domain) => jobProblems(domain, domains)),
    ...upstreamProblems(domains, root),
    ...domains.flatMap((domain) => missingFiles(domain, root)),
  ];
}

/** Names that two domains share but may not. */
function ambiguousNames(domains: readonly Domain[]): string[] {
  const claims = (of: string, claimsOf: (domain: Domain) => string[]) => {
    const owners = new Map<string, string>();
    return domains.flatMap((domain) =>
      claimsOf(domain).flatMap((name) => {
        const owner = owners.get(name);
        owners.set(name, domain.name);
        return owner === undefined
          ? []
          : [`Both ${owner} and ${domain.name} declare the ${of} \`${name}\`. Rename it in one of them.`];
      }),
    );
  };
  return [
    ...claims('operation', ({ operations }) => Object.keys(operations)),
    ...claims('route', ({ operations }) =>
      Object.values(operations).map(({ method, path }) => `${method} ${path.replace(/\{\w+\}/g, '{}')}`),
    ),
    ...claims('event', ({ events }) => Object.values(events).map(({ type }) => type)),
    ...claims('entity kind', ({ entities }) => Object.keys(entities)),
    ...claims('function', ({ functions = {} }) => Object.keys(functions)),
  ];
}

/** Entity kinds that a domain uses but does not own, and those that nothing uses. */
function entityProblems(domain: Domain, domains: readonly Domain[]): string[] {
  const uses = kindsUsedBy(domain);
  const file = `functions/${domain.name}/domain.ts`;
  const foreign = uses.flatMap(([where, kind]) => {
    if (kind in domain.entities) return [];
    const owner = domains.find(({ entities }) => kind in entities);
    return owner === undefined
      ? [`${where} uses the entity kind \`${kind}\`, which no domain declares. Add it to \`entities\` in ${file}.`]
      : [`${where} uses the entity kind \`${kind}\` of ${owner.name}. Use a kind that ${file} declares.`];
  });
  const unused = Object.keys(domain.entities)
    .filter((kind) => kind !== '*' && !uses.some(([, used]) => used === kind))
    .map((kind) => `Nothing in ${domain.name} uses its entity kind \`${kind}\`. Remove it from ${file}.`);
  return [...foreign, ...unused];
}

/** The kinds that views, events, and tables name, and where. A template such as `{entity}` names none. */
function kindsUsedBy({ name, operations, events, tables }: Domain): [where: string, kind: string][] {
  const uses: [string, readonly string[]][] = [
    ...Object.values(operations).map(({ operationId, cache }): [string, readonly string[]] => [
      `The view of ${operationId}`,
      cache ? entityTemplatesOf(cache) : [],
    ]),
    ...Object.values(events).map(({ type, entities }): [string, readonly string[]] => [`The event ${type}`, entities]),
    ...Object.entries(tables).map(([table, { announces }]): [string, readonly string[]] => [
      `The table ${name}.${table}`,
      'nothing' in announces ? [] : announces,
    ]),
  ];
  return uses.flatMap(([where, templates]) =>
    templates.filter((one) => !one.startsWith('{')).map((one): [string, string] => [where, kindOf(one)]),
  );
}

/** Query parameters without a bound. They allow cache entries and queries of any size. */
function queryProblems({ name, operations }: Domain): string[] {
  return Object.values(operations).flatMap(({ operationId, query }) =>
    unboundedIn(query).map(
      (parameter) =>
        `The query parameter \`${parameter}\` of ${operationId} has no bound. Give it a maximum, a maximum length, an ` +
        `enum or a bounded pattern in functions/${name}/contract.ts.`,
    ),
  );
}

/** Paths and views whose `{names}` are not the operation's path parameters. */
function pathProblems({ name, operations }: Domain): string[] {
  const file = `functions/${name}/contract.ts`;
  const namesIn = (template: string) => [...template.matchAll(/\{(\w+)\}/g)].map((found) => found[1]!);
  return Object.values(operations).flatMap(({ operationId, path, pathParameters, cache }) => {
    const parameters = Object.keys(pathParameters.shape);
    const templates = cache ? entityTemplatesOf(cache) : [];
    const named = [path, ...templates].flatMap((template) =>
      namesIn(template)
        .filter((one) => !parameters.includes(one))
        .map(
          (one) =>
            `\`${template}\` of ${operationId} names {${one}}, which is not a path parameter. Fix it in ${file}.`,
        ),
    );
    const unused = parameters
      .filter((one) => !namesIn(path).includes(one))
      .map((one) => `The path of ${operationId} lacks its path parameter {${one}}. Fix it in ${file}.`);
    const anyKind = templates
      .filter((template) => template.startsWith('{'))
      .map(
        (template) =>
          `The view of ${operationId} does not have its own entity kind: \`${template}\`. Fix it in ${file}.`,
      );
    return [...named, ...unused, ...anyKind];
  });
}

/** Cached answers that may be stale but do not say how stale. */
function viewProblems({ name, operations }: Domain): string[] {
  return Object.values(operations).flatMap(({ operationId, method, cache, source }) => {
    if (!cache) return [];
    if (method !== 'GET') return [`${operationId} is cached but not a GET. Remove its \`cache\`.`];
    const staleness = cache.kind === 'ttlOnly' ? cache.staleness.trim() : undefined;
    if (staleness === '' || (source !== 'statement' && staleness === undefined))
      return [
        `${operationId} may serve data from before a change and does not say so. State its \`staleness\` in ` +
          `functions/${name}/contract.ts.`,
      ];
    return [];
  });
}

/** Jobs that their schedule or events cannot start, or whose parameters change when they are parsed twice. */
function jobProblems({ jobs }: Domain, domains: readonly Domain[]): string[] {
  const events = new Set(domains.flatMap((domain) => Object.values(domain.events)));
  return Object.values(jobs).flatMap((job) => {
    const name = jobNameOf(job);
    if (name.endsWith('.import')) return [`${name} has the name of the job that imports files. Rename it.`];
    const schedules = schedulesOf(job);
    const malformed = schedules.find(({ expression }) => !isSchedule(expression));
    if (malformed)
      return [
        `The schedule \`${malformed.expression}\` of ${name} is malformed. Examples: rate(15 minutes), cron(0 3 * * ? *).`,
      ];
    const refused = schedules.find(({ params }) => params !== undefined && !job.params.safeParse(params).success);
    if (refused)
      return [`${name} does not accept the parameters of its schedule \`${refused.expression}\`. Correct them.`];
    const startsAlone = schedules.some(({ params }) => params === undefined) || job.on !== undefined;
    const parsed = job.params.safeParse({});
    if (startsAlone && !parsed.success)
      return [`${name} is started without parameters, but it requires some. Give them defaults.`];
    if (parsed.success && JSON.stringify(job.params.parse(parsed.data)) !== JSON.stringify(parsed.data))
      return [`The parameters of ${name} change when they are parsed twice. Make its schema idempotent.`];
    return (job.on ?? [])
      .filter((event) => !events.has(event))
      .map(({ type }) => `${name} waits for the event \`${type}\`, which no domain declares.`);
  });
}

/** Whether EventBridge Scheduler accepts an expression. */
function isSchedule(expression: string): boolean {
  return (
    /^rate\((1 (minute|hour|day)|([2-9]|[1-9]\d+) (minutes|hours|days))\)$/.test(expression) ||
    /^cron\(\S+( \S+){5}\)$/.test(expression)
  );
}

/** Upstreams without a file or a local stand-in, and upstream names that are invalid or used twice. */
function upstreamProblems(domains: readonly Domain[], root: string): string[] {
  const used = new Set(domains.flatMap((domain) => [...upstreamsOfApi(domain), ...upstreamsOfEtl(domain)]));
  const names = [...used].map(({ name }) => name);
  return [...new Set(names)].flatMap((name) => {
    if (!/^[a-z][a-z0-9_]*$/.test(name))
      return [`The upstream name \`${name}\` may only have a-z, 0-9 and _. Rename it.`];
    const twice = names.indexOf(name) !== names.lastIndexOf(name);
    const missing = [`functions/upstreams/${name}.ts`, `local/upstreams/${name}.ts`].filter(
      (file) => !existsSync(join(root, file)),
    );
    return [
      ...(twice ? [`Two upstreams have the name ${name}. Declare it once, in functions/upstreams/${name}.ts.`] : []),
      ...missing.map((file) =>
        file.startsWith('local')
          ? `The upstream ${name} has no stand-in. Write ${file}, which exports \`standIn: StandIn\`.`
          : `The upstream ${name} has no file. Declare it in ${file}.`,
      ),
    ];
  });
}

/** The missing files of operations, jobs, functions, and the tests of reads. Each has the name of what it is for. */
function missingFiles({ name, operations, jobs, functions = {} }: Domain, root: string): string[] {
  const ids = [...Object.keys(operations), ...Object.keys(jobs)].map(toKebabCase);
  const sources = [...ids, ...Object.keys(functions)].map((id) => `functions/${name}/${id}.ts`);
  const tests = ids.filter((id) => /^(get|list)-/.test(id)).map((id) => `test/${name}/${id}.test.ts`);
  return [...sources, ...tests]
    .filter((file) => !existsSync(join(root, file)))
    .map((file) => `${file} is missing. Write it, or rename the operation, job, or function that it belongs to.`);
}

/** `get-collection` for `getCollection`. */
export function toKebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
