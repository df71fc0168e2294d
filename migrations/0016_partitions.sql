-- Up Migration
-- Partitions of every table, the outbox too, are created by what the tables declare.
drop function platform.create_outbox_partitions;

-- Down Migration
create function platform.create_outbox_partitions(days_ahead integer) returns integer language plpgsql as $$
declare
  day date;
  created integer := 0;
begin
  for day in select generate_series(current_date, current_date + days_ahead, interval '1 day')::date loop
    if to_regclass(format('platform.outbox_%s', to_char(day, 'YYYYMMDD'))) is null then
      execute format('create table platform.outbox_%1$s (like platform.outbox including defaults including constraints) with (fillfactor = 50)', to_char(day, 'YYYYMMDD'));
      -- the matching CHECK spares ATTACH its scan
      execute format('alter table platform.outbox_%1$s add constraint within_day check (created_at >= %2$L and created_at < %3$L)', to_char(day, 'YYYYMMDD'), day, day + 1);
      execute format('alter table platform.outbox attach partition platform.outbox_%1$s for values from (%2$L) to (%3$L)', to_char(day, 'YYYYMMDD'), day, day + 1);
      execute format('alter table platform.outbox_%1$s drop constraint within_day', to_char(day, 'YYYYMMDD'));
      created := created + 1;
    end if;
  end loop;
  return created;
end $$;
