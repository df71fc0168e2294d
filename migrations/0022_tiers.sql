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
  -- when the last month was packed; its raw partition is dropped some time after, when no read uses it
  packed_at timestamptz not null default '-infinity',
  archived_until timestamptz not null default '-infinity',
  check (archived_until <= packed_until and packed_until <= closed_until)
);

-- The months in S3, and how far each is on its way there, or back. See shared/archive/archive.ts.
create table platform.archives (
  name text not null references platform.tiers,
  month date not null check (extract(day from month) = 1),
  state text not null check (state in
    ('exporting', 'exported', 'uploaded', 'verified', 'switched', 'detaching', 'dropped', 'restored', 'expired')),
  -- The file that readers use, and what verification read back from it: rows, sums of the columns, a hash of all rows in order.
  key text,
  etag text,
  bytes bigint,
  rows bigint,
  manifest jsonb,
  -- since when readers use it
  read_since timestamptz,
  -- a new version on its way, with the same properties
  next jsonb,
  -- the version that readers used before
  previous_key text,
  -- the partition of packs that is being dropped: its name and bounds
  partition jsonb,
  -- a restored month is not archived again before this
  held_until timestamptz,
  changed_at timestamptz not null default now(),
  primary key (name, month)
);

-- Moving rows from tier to tier changes no answer. A transaction that does only that sets `platform.moves_tiers` to `on`, and
-- announces nothing.
create or replace function platform.announce(event_type text, changed text[]) returns void
language sql as $$
  insert into platform.outbox (type, entities)
  select event_type, array_agg(entity order by entity)
  from (
    select entity, (row_number() over (order by entity) - 1) / 500 as part
    from (select distinct entity from unnest(changed) as entity where entity is not null) as named
  ) as parted
  where current_setting('platform.moves_tiers', true) is distinct from 'on'
  group by part
$$;

-- The values in an array of the pack `p`, as SQL. A single element stands for all rows of the pack.
create function platform.unnested(name text) returns text language sql immutable as $$
  select format('unnest(case when cardinality(p.%1$I) = 1 then array_fill(p.%1$I[1], array[cardinality(p.offsets)]) else p.%1$I end) as %1$I', name)
$$;

-- Makes what stands beside a tiered table: its packs, its late rows, and functions that read all of Postgres' tiers, or go
-- with rows of files:
--
--     t_rows(series[], since, until, archived)   the rows in [since, until), of months from `archived` on
--     t_last(series, at, since, archived)        the last row in [since, at]
--     t_unpacked(series[], since, until)         what the packs of the days in [since, until) hold; null: all series
--     t_archived(cold[])                         rows of files, without those that a late row replaces
--     t_closed(since, until)                     the rows of closed months, packed and late, of all series
--
-- Postgres inlines them, so that the planner sees their bounds, unless an argument contains a subquery: join that instead. A
-- late row replaces the one with its key: it is looked for row by row only if there is one in the range. Packs are unpacked
-- in a select list: an element by its number would decompress its array once more.
--
-- @param series  the column that names the series; with the time, the table's key
create function platform.create_tiers(schema_name text, table_name text, series text, time_column text) returns void
language plpgsql as $$
declare
  t text := format('%I.%I', schema_name, table_name);
  late text := format('%I.%I', schema_name, table_name || '_late');
  packed text := format('%I.%I', schema_name, table_name || '_packed');
  -- the month from which on rows are read from the table itself
  packed_until text := format('(select packed_until from platform.tiers where name = %L)', t);
  series_type text;
  all_columns text;
  definitions text;
  arrays text;
  units text;
  unpacked text;
begin
  select format_type(atttypid, null) into strict series_type
  from pg_attribute where attrelid = t::regclass and attname = series;
  select string_agg(quote_ident(attname), ', ' order by attnum),
    string_agg(case when type = 'numeric'
        then format('%1$I bigint[], %2$I numeric, %3$I numeric[]', attname, attname || '_unit', attname || '_exact')
        else format('%I %s[]', attname, type) end, ', ' order by attnum) filter (where is_value),
    string_agg(platform.unnested(attname) || case when type = 'numeric' then ', ' || platform.unnested(attname || '_exact') else '' end,
      ', ' order by attnum) filter (where is_value),
    string_agg(format(', p.%I', attname || '_unit'), '' order by attnum) filter (where is_value and type = 'numeric'),
    string_agg(case when attname = time_column then format('p.day + p.offsets * interval ''1 millisecond'' as %I', attname)
        when is_value and type = 'numeric'
        then format('coalesce(p.%1$I * p.%2$I, p.%3$I) as %1$I', attname, attname || '_unit', attname || '_exact')
        else format('p.%I', attname) end, ', ' order by attnum)
  into all_columns, definitions, arrays, units, unpacked
  from (select attname, attnum, format_type(atttypid, null) as type, attname not in (series, time_column) as is_value
        from pg_attribute where attrelid = t::regclass and attnum > 0 and not attisdropped) as a;

  execute format('create table %s (like %s including defaults including constraints, primary key (%I, %I))',
    late, t, series, time_column);
  -- A numeric column is whole numbers of its unit, or, if they do not fit, as it is. Offsets are milliseconds.
  execute format('create table %s (%I %s not null, day timestamptz not null, offsets integer[] not null, %s,
    primary key (%I, day)) partition by range (day)', packed, series, series_type, definitions, series);
  execute (select string_agg(format('alter table %s alter column %I set storage main', packed, attname), ';')
    from pg_attribute where attrelid = packed::regclass and attnum > 0 and attndims > 0);

  -- Its %s stands for the packs. Parameters go by number, because a column may have the name of one.
  unpacked := format('select %s from (select p.%I, p.day%s, unnest(p.offsets) as offsets, %s from %%s as p) as p',
    unpacked, series, units, arrays);
  execute format($function$
    create function %1$s_unpacked(wanted %2$s[], since timestamptz, until timestamptz) returns setof %1$s
    language sql stable as $body$ %3$s $body$ $function$, t, series_type, format(unpacked,
      format('(select * from %s where ($1 is null or %I = any($1)) and day >= $2 and day < $3)', packed, series)));
  execute format($function$
    create function %1$s_rows(wanted %2$s[], since timestamptz, until timestamptz, archived timestamptz)
    returns setof %1$s language sql stable as $body$
      select %3$s from %1$s as h where h.%4$I = any($1) and h.%5$I >= $2 and h.%5$I < $3 and h.%5$I >= %6$s
        and (not exists (select from %7$s l where l.%4$I = any($1) and l.%5$I >= $2 and l.%5$I < $3)
          or not exists (select from %7$s l where l.%4$I = any($1) and l.%5$I >= $2 and l.%5$I < $3
            and l.%4$I = h.%4$I and l.%5$I = h.%5$I))
      union all
      select %3$s from (%8$s) as h where h.%5$I >= $2 and h.%5$I < $3
        and (not exists (select from %7$s l where l.%4$I = any($1) and l.%5$I >= $2 and l.%5$I < $3)
          or not exists (select from %7$s l where l.%4$I = any($1) and l.%5$I >= $2 and l.%5$I < $3
            and l.%4$I = h.%4$I and l.%5$I = h.%5$I))
      union all
      select %3$s from %7$s as l where l.%4$I = any($1) and l.%5$I >= $2 and l.%5$I < $3
    $body$ $function$, t, series_type, all_columns, series, time_column, packed_until, late,
    format(unpacked, format('(select * from %s where %I = any($1) and day >= date_bin(''1 day'', $2, ''2000-01-01Z'')
      and day < $3 and day >= $4 and day < %s)', packed, series, packed_until)));
  execute format($function$
    create function %1$s_last(wanted %2$s, at timestamptz, since timestamptz, archived timestamptz)
    returns setof %1$s language sql stable rows 1 as $body$
      select * from (
        (select %3$s from %1$s as h where h.%4$I = $1 and h.%5$I >= $3 and h.%5$I <= $2 and h.%5$I >= %6$s
           and not exists (select from %7$s l where l.%4$I = $1 and l.%5$I = h.%5$I)
         order by h.%5$I desc limit 1)
        union all
        (select %3$s from (%8$s) as h where h.%5$I >= $3 and h.%5$I <= $2
           and not exists (select from %7$s l where l.%4$I = $1 and l.%5$I = h.%5$I)
         order by h.%5$I desc limit 1)
        union all
        (select %3$s from %7$s as l where l.%4$I = $1 and l.%5$I >= $3 and l.%5$I <= $2 order by l.%5$I desc limit 1)
      ) as found order by %5$I desc limit 1
    $body$ $function$, t, series_type, all_columns, series, time_column, packed_until, late,
    -- the last pack that begins by then: of the rows in it that are replaced, the late ones are found
    format(unpacked, format('(select * from %s where %I = $1 and day >= date_bin(''1 day'', $3, ''2000-01-01Z'')
      and day <= $2 and day >= $4 and day < %s and day + offsets[1] * interval ''1 millisecond'' <= $2
      order by day desc limit 1)', packed, series, packed_until)));

  -- rows read from files, without those that a late row replaces
  execute format($function$
    create function %1$s_archived(cold %1$s[]) returns setof %1$s language sql stable as $body$
      select %2$s from unnest(cold) as c
      where not exists (select from %3$s l where l.%4$I = c.%4$I and l.%5$I = c.%5$I)
    $body$ $function$, t, all_columns, late, series, time_column);

  execute format($function$
    create function %1$s_closed(since timestamptz, until timestamptz) returns setof %1$s language sql stable as $body$
      select %2$s from %1$s_unpacked(null, $1, $2) as h
      where not exists (select from %3$s l where l.%5$I >= $1 and l.%5$I < $2)
        or not exists (select from %3$s l where l.%4$I = h.%4$I and l.%5$I = h.%5$I)
      union all
      select %2$s from %3$s as l where l.%5$I >= $1 and l.%5$I < $2
    $body$ $function$, t, all_columns, late, series, time_column);

  -- everything before the first month that has a partition is late
  insert into platform.tiers (name, closed_until, packed_until)
  values (t, date_trunc('month', now(), 'UTC'), date_trunc('month', now(), 'UTC'));
end $$;

-- Down Migration
drop function platform.create_tiers(text, text, text, text);
drop function platform.unnested(text);
create or replace function platform.announce(event_type text, changed text[]) returns void
language sql as $$
  insert into platform.outbox (type, entities)
  select event_type, array_agg(entity order by entity)
  from (
    select entity, (row_number() over (order by entity) - 1) / 500 as part
    from (select distinct entity from unnest(changed) as entity where entity is not null) as named
  ) as parted
  group by part
$$;
drop table platform.archives;
drop table platform.tiers;
