/** What comes from outside, made storable: Postgres has no NUL in text, and neither NUL nor lone surrogates in jsonb. */

/** A string that a `text` column takes: NUL shows as ␀, a lone surrogate as �. */
export function toText(value: string): string {
  return value.toWellFormed().replaceAll('\0', '␀');
}

/** A value as JSON that a `jsonb` column takes. */
export function toJsonb(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => {
    if (typeof inner === 'string') return toText(inner);
    if (typeof inner === 'bigint') return String(inner);
    if (typeof inner !== 'object' || inner === null || Array.isArray(inner)) return inner;
    return Object.fromEntries(Object.entries(inner).map(([key, field]) => [toText(key), field]));
  });
}
