import { storable } from '../kernel/text.ts';

/** In JSON, what jsonb does not take: NUL and half a surrogate pair. Also matches an escaped backslash before `u0000`. */
const escapes = /\\u(0000|d[89a-f])/;

/** A value as JSON that a `jsonb` column takes, which has neither NUL nor lone surrogates. */
export function toJsonb(value: unknown): string {
  const json = JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner));
  if (!escapes.test(json)) return json;
  return JSON.stringify(JSON.parse(json), (_, inner: unknown) => {
    if (typeof inner === 'string') return storable(inner);
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).map(([key, field]) => [storable(key), field]));
  });
}
