-- Up Migration
-- The name in every cache key that voids all of them when it changes: random, so that no name is ever used twice, and
-- kept here, because Redis may lose it or come back with an old one.
drop table platform.cache_generation;

create table platform.cache_generation (
  one boolean primary key default true check (one),
  generation text not null,
  -- those before it that readers may still be in
  previous text[] not null default '{}',
  began_at timestamptz not null default clock_timestamp(),
  -- the transaction that began it
  since xid8 not null default pg_current_xact_id(),
  -- the cluster it is for: a restored copy has another identity, and needs a generation of its own
  cluster text,
  is_void boolean not null default false
);

create function platform.new_cache_generation() returns text language sql volatile as
  $$ select substr(replace(gen_random_uuid()::text, '-', ''), 1, 8) $$;

insert into platform.cache_generation (generation, is_void) values (platform.new_cache_generation(), true);

-- The generation, and those before it. Fences are raised in the previous ones for ten minutes, which is as long as fences
-- are remembered.
create function platform.current_cache_generation()
returns table (generation text, previous text[], since xid8)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select g.generation, case when g.began_at > clock_timestamp() - interval '10 minutes' then g.previous else '{}' end, g.since
  from platform.cache_generation g
$$;

-- The same; begins a new one first if the one there is void, or another cluster's.
create function platform.take_up_cache_generation(asked_cluster text)
returns table (generation text, previous text[], since xid8)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  update platform.cache_generation g
  set previous = g.generation || (select c.previous[1:3] from platform.current_cache_generation() c),
    generation = platform.new_cache_generation(), began_at = clock_timestamp(), since = pg_current_xact_id(),
    cluster = asked_cluster, is_void = false
  where g.is_void or g.cluster is distinct from asked_cluster;
  return query select * from platform.current_cache_generation();
end $$;

create function platform.revoke_cache_generation() returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
  update platform.cache_generation set is_void = true where not is_void
$$;

-- Down Migration
drop function platform.take_up_cache_generation, platform.current_cache_generation, platform.revoke_cache_generation,
  platform.new_cache_generation;
drop table platform.cache_generation;
create table platform.cache_generation (
  one boolean primary key default true check (one),
  cluster text not null,
  counter bigint not null default 1
);
insert into platform.cache_generation (cluster) select system_identifier::text from pg_control_system();
