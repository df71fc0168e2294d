/** The standard TTLs of cached views, in seconds. A view may set its own instead. */
export const ttlTiers = { hot: 300, warm: 1_800, cold: 86_400 } as const;

/** How long "not found" is cached, in seconds. */
export const notFoundTtlSeconds = 30;

interface CachedFor {
  /** The entity whose changes void it, as a template of path parameters (`collections:{address}`). */
  entity: string;
  /** Up to three more entities whose changes void it. */
  dependsOn?: readonly string[];
  ttl: keyof typeof ttlTiers | number;
  /** How long past its TTL a cached answer may be served while its source is down. */
  graceSeconds?: number;
}

/** A cached answer that any change of its entities voids. */
export interface FencedView extends CachedFor {
  kind?: 'fenced';
  staleness?: never;
}

/** A cached answer that is served until its TTL ends. `staleness` documents for clients how old it may be. */
export interface TtlView extends CachedFor {
  kind: 'ttlOnly';
  staleness: string;
}

/**
 * Where the answer of an operation is cached and what voids it. Within its entity an answer is stored under its
 * operation and query, so no two operations share one.
 */
export type View = FencedView | TtlView;

/** The TTL of a view in seconds. */
export function ttlSecondsOf({ ttl }: View): number {
  return typeof ttl === 'number' ? ttl : ttlTiers[ttl];
}

/** The entities whose changes void a view, as templates. Its own comes first. */
export function entityTemplatesOf({ entity, dependsOn = [] }: View): string[] {
  return [entity, ...dependsOn];
}

/** The template with each `{name}` replaced by its value. @throws Error  a name has no value */
export function expandTemplate(template: string, values: Record<string, unknown>): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`The template ${template} needs a value for ${name}.`);
    return String(value);
  });
}
