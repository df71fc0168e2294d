-- Up Migration
-- History in tiers. A tiered table `t` holds the rows of recent months (hot). Beside it stand, made by
-- platform.create_tiers: `t_packed`, older months with a row per series and day (warm); and `t_late`, rows of months that
-- `t` no longer takes. The oldest months are files in S3 (cold). Which month is where, a row of platform.tiers says.

create table platform.tiers (
  -- schema.table
  name text primary key,
  -- Each is the start of a month. Rows before `closed_until` are written to `t_late`; those before `packed_until` are
  -- read from `t_packed`; those before `archived_until` from files. Writers share a lock on this row until they commit.
  closed_until timestamptz not null,
  packed_until timestamptz not null,
  archived_until timestamptz not null default '-infinity',
  check (archived_until <= packed_until and packed_until <= closed_until)
);

-- The months in S3, and how far each is on its way there.
create table platform.archives (
  name text not null references platform.tiers,
  month date not null check (extract(day from month) = 1),
  state text not null check (state in ('exporting', 'exported', 'uploaded', 'verified', 'detached', 'dropped', 'restoring')),
  -- The object, and what verification read back from it.
  key text,
  etag text,
  bytes bigint,
  rows bigint,
  -- Sums of the columns, and a hash of all rows in order.
  manifest jsonb,
  changed_at timestamptz not null default now(),
  primary key (name, month)
);

-- The values of one column of a pack, as SQL over the pack `p` and the position `i`. One element stands for all rows.
create function platform.unpacked_column(name text, type text) returns text language sql immutable as $$
  select case when type = 'numeric'
    then format('coalesce(p.%1$I[least(i, cardinality(p.%1$I))] * p.%2$I, p.%3$I[least(i, cardinality(p.%3$I))])',
      name, name || '_unit', name || '_exact')
    else format('p.%1$I[least(i, cardinality(p.%1$I))]', name) end
$$;

-- Makes what stands beside a tiered table: its packs, its late rows, and functions that read all of Postgres' tiers, or
-- go with rows of files:
--
--     t_rows(series[], since, until, archived)   the rows in [since, until), of months from `archived` on
--     t_last(series, at, since, archived)        the last row in [since, at]
--     t_archived(cold[])                         rows of files, without those that a late row replaces
--
-- Postgres inlines them, so that the planner sees their bounds. A late row replaces the one with its key.
--
-- @param series  the column that names the series; with the time, the table's key
create function platform.create_tiers(schema_name text, table_name text, series text, time_column text) returns void
language plpgsql as $$
declare
  t text := format('%I.%I', schema_name, table_name);
  late text := format('%I.%I', schema_name, table_name || '_late');
  packed text := format('%I.%I', schema_name, table_name || '_packed');
  series_type text;
  definitions text;
  all_columns text;
  unpacked text;
begin
  select format_type(atttypid, null) into strict series_type
  from pg_attribute where attrelid = t::regclass and attname = series;
  select string_agg(format('%I', attname), ', ' order by attnum),
    string_agg(case
        when attname = series then format('p.%I', series)
        when attname = time_column then 'p.day + p.offsets[i] * interval ''1 millisecond'''
        else platform.unpacked_column(attname, format_type(atttypid, null)) || format('::%s', format_type(atttypid, null)) end,
      ', ' order by attnum),
    string_agg(case when format_type(atttypid, null) = 'numeric'
        then format('%1$I bigint[], %2$I numeric, %3$I numeric[]', attname, attname || '_unit', attname || '_exact')
        else format('%I %s[]', attname, format_type(atttypid, null)) end, ', ' order by attnum)
      filter (where attname not in (series, time_column))
  into all_columns, unpacked, definitions
  from pg_attribute where attrelid = t::regclass and attnum > 0 and not attisdropped;

  execute format('create table %s (like %s including defaults including constraints, primary key (%I, %I))',
    late, t, series, time_column);
  -- A numeric column is whole numbers of its unit, or, if they do not fit, as it is. Offsets are milliseconds.
  execute format('create table %s (%I %s not null, day timestamptz not null, offsets integer[] not null, %s,
    primary key (%I, day)) partition by range (day)', packed, series, series_type, definitions, series);
  execute (select string_agg(format('alter table %s alter column %I set storage main', packed, attname), ';')
    from pg_attribute where attrelid = packed::regclass and attnum > 0 and attndims > 0);

  execute format($function$
    create function %1$s_rows(wanted %2$s[], since timestamptz, until timestamptz, archived timestamptz)
    returns setof %1$s language sql stable as $body$
      select %3$s from %1$s as h where h.%4$I = any(wanted) and h.%5$I >= since and h.%5$I < until
        and h.%5$I >= (select packed_until from platform.tiers where name = '%1$s')
        and not exists (select from %6$s l where l.%4$I = h.%4$I and l.%5$I = h.%5$I)
      union all
      select %7$s from %8$s as p, generate_series(1, cardinality(p.offsets)) as i
      where p.%4$I = any(wanted) and p.day > since - interval '1 day' and p.day < until
        and p.day >= archived and p.day < (select packed_until from platform.tiers where name = '%1$s')
        and p.day + p.offsets[i] * interval '1 millisecond' >= since and p.day + p.offsets[i] * interval '1 millisecond' < until
        and not exists (select from %6$s l where l.%4$I = p.%4$I and l.%5$I = p.day + p.offsets[i] * interval '1 millisecond')
      union all
      select %3$s from %6$s as l where l.%4$I = any(wanted) and l.%5$I >= since and l.%5$I < until
    $body$ $function$, t, series_type, all_columns, series, time_column, late, unpacked, packed);
  execute format($function$
    create function %1$s_last(wanted %2$s, at timestamptz, since timestamptz, archived timestamptz)
    returns setof %1$s language sql stable rows 1 as $body$
      select * from (
        (select %3$s from %1$s as h where h.%4$I = wanted and h.%5$I >= since and h.%5$I <= at
           and h.%5$I >= (select packed_until from platform.tiers where name = '%1$s')
           and not exists (select from %6$s l where l.%4$I = h.%4$I and l.%5$I = h.%5$I)
         order by h.%5$I desc limit 1)
        union all
        (select %7$s
         from (select * from %8$s as p
               where p.%4$I = wanted and p.day > since - interval '1 day' and p.day <= at
                 and p.day >= archived and p.day < (select packed_until from platform.tiers where name = '%1$s')
                 and p.day + p.offsets[1] * interval '1 millisecond' <= at
               order by p.day desc limit 1) as p,
           generate_series(1, cardinality(p.offsets)) as i
         where p.day + p.offsets[i] * interval '1 millisecond' between since and at
           and not exists (select from %6$s l where l.%4$I = p.%4$I and l.%5$I = p.day + p.offsets[i] * interval '1 millisecond')
         order by i desc limit 1)
        union all
        (select %3$s from %6$s as l where l.%4$I = wanted and l.%5$I >= since and l.%5$I <= at order by l.%5$I desc limit 1)
      ) as found order by %5$I desc limit 1
    $body$ $function$, t, series_type, all_columns, series, time_column, late, unpacked, packed);

  -- rows read from files, without those that a late row replaces
  execute format($function$
    create function %1$s_archived(cold %1$s[]) returns setof %1$s language sql stable as $body$
      select %2$s from unnest(cold) as c
      where not exists (select from %3$s l where l.%4$I = c.%4$I and l.%5$I = c.%5$I)
    $body$ $function$, t, all_columns, late, series, time_column);

  -- everything before the first month that has a partition is late
  insert into platform.tiers (name, closed_until, packed_until)
  values (t, date_trunc('month', now(), 'UTC'), date_trunc('month', now(), 'UTC'));
end $$;

-- Down Migration
drop function platform.create_tiers(text, text, text, text);
drop function platform.unpacked_column(text, text);
drop table platform.archives;
drop table platform.tiers;
