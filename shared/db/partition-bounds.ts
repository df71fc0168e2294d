/**
 * SQL that selects the partitions of the table `$1`: `name`, quoted, with its schema; `bounds`, as ATTACH takes them;
 * `since` and `until`, the half-open range of time that it has rows of (null for a default partition); `isPending`, whether
 * a DETACH CONCURRENTLY of it has not ended.
 */
export const boundsOf = `
  select format('%I.%I', c.relnamespace::regnamespace, c.relname) as name, bounds, i.inhdetachpending as "isPending",
    case when bounds like '%FROM (MINVALUE)%' then '-infinity'
      else (regexp_match(bounds, $re$FROM [(]'([^']+)'[)]$re$))[1] end::timestamptz as since,
    case when bounds like '%TO (MAXVALUE)%' then 'infinity'
      else (regexp_match(bounds, $re$TO [(]'([^']+)'[)]$re$))[1] end::timestamptz as until
  from pg_inherits i join pg_class c on c.oid = i.inhrelid, pg_get_expr(c.relpartbound, c.oid) as bounds
  where i.inhparent = to_regclass($1)`;
