import sql from 'sql-template-tag';
import { type EntityState, explainEntity } from '../../shared/cache/explain.ts';
import { type Fence, proofOf } from '../../shared/cache/proof.ts';
import { fenceOf } from '../../shared/cache/read.ts';
import { hostForReads, measureLag } from '../../shared/db/lag.ts';
import { evidenceOf, query } from '../../shared/db/read.ts';
import { env } from '../../shared/env.ts';
import { entitiesOf, fieldPrefix, respond } from '../../shared/http/endpoint.ts';
import { parseInput } from '../../shared/http/request.ts';
import { InvalidInput, NotFound } from '../../shared/kernel/errors.ts';
import type { Operation, OperationResponse, ReadWorkload } from '../../shared/kernel/operation.ts';
import { getCache, getRedis } from '../../shared/resources.ts';
import { domains } from '../registry.ts';
import { operations } from './contract.ts';

type Explained = OperationResponse<typeof operations.explainCache>;
type ExplainedHost = Explained['hosts'][number]['host'];

/** The read that a url resolves to: the entities of its view, and its cache field without the hash of its code. */
interface TargetRead {
  operation: Operation;
  entities: string[];
  prefix: string;
}

/**
 * Explains how a read is served: what Redis stores for its entities, the events behind each remembered fence, what each
 * host can prove about them, and, for a url, what a request would do now. Changes nothing.
 *
 * @throws InvalidInput  the url is not a cached read, or has invalid parameters
 * @throws NotFound      no operation has such a path
 * @throws Unavailable   Redis or the writer did not respond (retryable)
 */
export const explainCache = respond(operations.explainCache, async ({ query: { entity, url } }) => {
  const target = url === undefined ? undefined : resolveRead(url);
  const [connection, generation] = await Promise.all([getRedis(), getCache().then((cache) => cache.generation())]);
  const names = target?.entities ?? [entity!];
  const states = await Promise.all(names.map((name) => explainEntity(connection, generation, name)));
  const fences = [...states.map(({ fence }) => fence), fenceOf(generation)];
  const [events, hosts] = await Promise.all([
    eventsOf(states),
    Promise.all((['reader', 'analytics', 'writer'] as const).map((host) => explainHost(host, fences))),
  ]);
  return {
    generation: {
      name: generation.current,
      since: String(generation.since),
      previous: [...generation.previous],
    },
    entities: states.map(({ fence: { forgotten, xids }, views, ...state }) => ({
      ...state,
      forgotten: String(forgotten),
      fences: xids.map((xid) => ({ xid: String(xid), events: events.get(`${xid} ${state.entity}`) ?? [] })),
      views: views.map((view) => ({ ...view, tags: [...view.tags] })),
    })),
    hosts,
    ...(target ? { read: explainRead(target, states, hosts) } : {}),
  };
});

function resolveRead(url: string): TargetRead {
  const { pathname, search } = parseUrl(url);
  for (const operation of domains.flatMap(({ operations: declared }) => Object.values(declared))) {
    const names = [...operation.path.matchAll(/\{(\w+)\}/g)].map((found) => found[1]!);
    const values = new RegExp(`^${operation.path.replace(/\{\w+\}/g, '([^/]+)')}$`).exec(pathname);
    if (!values || operation.method !== 'GET') continue;
    if (!operation.cache)
      throw new InvalidInput(`${operation.operationId} is not cached. Pass the url of a cached read.`);
    const pathParameters = Object.fromEntries(names.map((name, i) => [name, decode(values[i + 1]!)]));
    const event = { pathParameters, rawQueryString: search.slice(1) };
    const { path, query: parsed } = parseInput(operation, event, { rawBody: Buffer.alloc(0) });
    return { operation, entities: entitiesOf(operation.cache, path), prefix: fieldPrefix(operation, parsed) };
  }
  throw new NotFound(`No operation has the path ${pathname}. See /v1/openapi.json for all paths.`);
}

function parseUrl(url: string): URL {
  const parsed = URL.parse(url, 'http://localhost');
  if (!parsed) throw new InvalidInput('The url is malformed. Pass a path such as /v1/collections.');
  return parsed;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw new InvalidInput('The url has a malformed percent escape. Encode it again.', [], { cause });
  }
}

/** The events whose fences are remembered, by transaction and entity. */
async function eventsOf(states: readonly EntityState[]) {
  const xids = states.flatMap(({ fence }) => fence.xids.map(String));
  const rows = await query<{ xid: string; entity: string; id: string; type: string; committed_at: string }>(
    sql`select o.xid::text, entity, o.id::text, o.type, platform.iso(o.created_at) as committed_at
        from platform.outbox o, unnest(o.entities) as entity
        where o.xid = any (${xids}::text[]::xid8[]) and entity = any (${states.map(({ entity }) => entity)}::text[])
        order by o.id`,
    'sync',
  );
  const events = new Map<string, { id: string; type: string; committedAt: string }[]>();
  for (const { xid, entity, id, type, committed_at: committedAt } of rows) {
    const key = `${xid} ${entity}`;
    events.set(key, [...(events.get(key) ?? []), { id, type, committedAt }]);
  }
  return events;
}

async function explainHost(host: ExplainedHost, fences: readonly Fence[]): Promise<Explained['hosts'][number]> {
  const [lagMs, evidence] = await Promise.all([
    host === 'writer' ? 0 : measureLag(host),
    evidenceOf(host === 'writer' ? 'primary' : host, fences).catch((): undefined => undefined),
  ]);
  const snapshot = evidence?.snapshot;
  return {
    host,
    answers: evidence !== undefined,
    lagMs: lagMs ?? null,
    isUsed: host === 'writer' || (await hostForReads(host)) === host,
    inRecovery: evidence?.inRecovery ?? null,
    snapshot: snapshot ? `${snapshot.xmin}:${snapshot.xmax}:${snapshot.xip.join(',')}` : null,
    proof: (evidence && proofOf(evidence, fences)) ?? null,
  };
}

function explainRead(
  { operation, prefix }: TargetRead,
  [home, ...dependencies]: readonly EntityState[],
  hosts: Explained['hosts'],
): NonNullable<Explained['read']> {
  const { operationId } = operation;
  // an older code version may have left its own entry beside the current one
  const view = home!.views
    .filter(({ field }) => field.startsWith(prefix))
    .sort(byLoadedAt)
    .at(-1);
  const changed = view && dependencies.find(({ tag }, i) => tag !== view.tags[i]);
  if (view && !changed && Date.parse(view.endsAt) > Date.now())
    return {
      operationId,
      outcome: 'hit',
      servedBy: 'cache',
      proof: null,
      because: 'The entry is valid for the code version that stored it. No fence was raised since it was loaded.',
    };
  const { proof, servedBy, because } = explainLoad(hosts, operation.workload);
  const missing = !view
    ? `No entry is stored: it was never loaded, or a fence of ${home!.entity} removed it.`
    : changed
      ? `A fence of ${changed.entity} was raised after the entry started to load.`
      : 'The entry has expired.';
  return { operationId, outcome: 'load', servedBy, proof, because: `${missing} ${because}` };
}

function explainLoad(
  hosts: Explained['hosts'],
  workload: ReadWorkload,
): Pick<NonNullable<Explained['read']>, 'proof' | 'servedBy' | 'because'> {
  const name = workload === 'analytics' ? 'analytics' : 'reader';
  const reader = hosts.find(({ host }) => host === name)!;
  const writer = hosts.find(({ host }) => host === 'writer')!;
  const trusted = env('REPLICA_PROOFS');
  const proof = reader.proof === 'status' && trusted === 'snapshot' ? null : reader.proof;
  if (proof && reader.isUsed && trusted !== 'none')
    return {
      proof,
      servedBy: name,
      because: `The ${readerName(name)} would serve the load, by proof ${proof === 'snapshot' ? '2: its snapshot includes every fence' : '3: it reports every transaction as committed'}.`,
    };
  const reason = !reader.isUsed
    ? `is not in use, because ${reader.lagMs === null ? 'its lag is not known' : `its lag is ${Math.round(reader.lagMs)} ms, or was over ${env('DATABASE_LAG_THRESHOLD_MS')} ms in one of its last three checks`}`
    : trusted === 'none'
      ? 'is not trusted (REPLICA_PROOFS)'
      : 'cannot prove every fence';
  if (writer.proof)
    return {
      proof: 'writer',
      servedBy: 'writer',
      because: `The writer would serve the load, by proof 1: the ${readerName(name)} ${reason}.`,
    };
  const because = 'No host could serve the load: the writer does not prove that it is the writer.';
  return { proof: null, servedBy: null, because };
}

function readerName(host: 'reader' | 'analytics'): string {
  return host === 'analytics' ? 'analytics reader' : 'reader';
}

function byLoadedAt(a: { loadedAt: string }, b: { loadedAt: string }): number {
  return a.loadedAt < b.loadedAt ? -1 : 1;
}
