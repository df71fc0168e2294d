import sql from 'sql-template-tag';
import { type EntityState, explainEntity } from '../../shared/cache/explain.ts';
import { type Fence, type Proof, proofOf } from '../../shared/cache/proof.ts';
import { fenceOf } from '../../shared/cache/read.ts';
import { isLeftOut, measureLag } from '../../shared/db/lag.ts';
import { evidenceOf, query } from '../../shared/db/read.ts';
import { env } from '../../shared/env.ts';
import { entitiesOf, fieldPrefix, respond } from '../../shared/http/endpoint.ts';
import { parseInput } from '../../shared/http/request.ts';
import { InvalidInput, NotFound } from '../../shared/kernel/errors.ts';
import type { Operation, OperationResponse } from '../../shared/kernel/operation.ts';
import { getCache, getRedis } from '../../shared/resources.ts';
import { domains } from '../registry.ts';
import { operations } from './contract.ts';

type Explained = OperationResponse<typeof operations.explainCache>;
type ExplainedHost = Explained['hosts'][number]['host'];

/** A read that a url names: the entities of its view, and its field up to the hash of its code. */
interface Asked {
  operation: Operation;
  entities: string[];
  prefix: string;
}

/**
 * Why an answer is served as it is: what Redis has of its entities, the events behind each remembered fence, what each
 * host could prove of them, and, for a url, what a read would do now. Nothing is changed by asking.
 *
 * @throws InvalidInput  the url is not a cached read, or its parameters are wrong
 * @throws NotFound      no operation has such a path
 * @throws Unavailable   Redis or the writer did not answer (retryable)
 */
export const explainCache = respond(operations.explainCache, async ({ query: { entity, url } }) => {
  const asked = url === undefined ? undefined : askedBy(url);
  const [connection, generation] = await Promise.all([getRedis(), getCache().then((cache) => cache.generation())]);
  const names = asked?.entities ?? [entity!];
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
    ...(asked ? { read: explainRead(asked, states, hosts) } : {}),
  };
});

function askedBy(url: string): Asked {
  const { pathname, search } = parseUrl(url);
  for (const operation of domains.flatMap(({ operations: declared }) => Object.values(declared))) {
    const names = [...operation.path.matchAll(/\{(\w+)\}/g)].map((found) => found[1]!);
    const values = new RegExp(`^${operation.path.replace(/\{\w+\}/g, '([^/]+)')}$`).exec(pathname);
    if (!values || operation.method !== 'GET') continue;
    if (!operation.cache) throw new InvalidInput(`${operation.operationId} is not cached.`);
    const pathParameters = Object.fromEntries(names.map((name, i) => [name, decode(values[i + 1]!)]));
    const event = { pathParameters, rawQueryString: search.slice(1) };
    const { path, query: parsed } = parseInput(operation, event, { rawBody: Buffer.alloc(0) });
    return { operation, entities: entitiesOf(operation.cache, path), prefix: fieldPrefix(operation, parsed) };
  }
  throw new NotFound(`No operation has the path ${pathname}.`);
}

function parseUrl(url: string): URL {
  const parsed = URL.parse(url, 'http://localhost');
  if (!parsed) throw new InvalidInput('The url is malformed.');
  return parsed;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (cause) {
    throw new InvalidInput('The url has a malformed escape.', [], { cause });
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
    isUsed: host === 'writer' || !isLeftOut(host),
    inRecovery: evidence?.inRecovery ?? null,
    snapshot: snapshot ? `${snapshot.xmin}:${snapshot.xmax}:${snapshot.xip.join(',')}` : null,
    proof: (evidence && proofOf(evidence, fences)) ?? null,
  };
}

function explainRead(
  { operation, prefix }: Asked,
  [home, ...dependencies]: readonly EntityState[],
  hosts: Explained['hosts'],
): NonNullable<Explained['read']> {
  const { operationId } = operation;
  // older code may have left its own entry beside the one of today's
  const view = home!.views
    .filter(({ field }) => field.startsWith(prefix))
    .sort(byLoadedAt)
    .at(-1);
  const changed = view && dependencies.find(({ tag }, i) => tag !== view.tags[i]);
  if (view && !changed && Date.parse(view.endsAt) > Date.now())
    return {
      operationId,
      outcome: 'hit',
      proof: null,
      because: 'The entry is valid for the code that stored it: no fence was raised since its load.',
    };
  const { proof, because } = explainLoad(hosts);
  const missing = !view
    ? `There is no entry: it was never loaded, or a fence of ${home!.entity} dropped it.`
    : changed
      ? `A fence of ${changed.entity} was raised after the entry's load began.`
      : 'The entry has ended.';
  return { operationId, outcome: 'load', proof, because: `${missing} ${because}` };
}

function explainLoad(hosts: Explained['hosts']): { proof: Proof | null; because: string } {
  const [reader, , writer] = hosts;
  const believed = env('REPLICA_PROOFS');
  const proof = reader!.proof === 'status' && believed === 'snapshot' ? null : reader!.proof;
  if (proof && reader!.isUsed && believed !== 'none')
    return {
      proof,
      because: `The reader would answer, by proof ${proof === 'snapshot' ? '2: its snapshot shows every fence' : '3: it calls every transaction committed'}.`,
    };
  const why = !reader!.isUsed
    ? 'is not used'
    : believed === 'none'
      ? 'is not believed (REPLICA_PROOFS)'
      : 'cannot prove every fence';
  if (writer!.proof) return { proof: 'writer', because: `The writer would answer, by proof 1: the reader ${why}.` };
  return { proof: null, because: 'Nobody could answer: the writer does not prove that it is the writer.' };
}

function byLoadedAt(a: { loadedAt: string }, b: { loadedAt: string }): number {
  return a.loadedAt < b.loadedAt ? -1 : 1;
}
