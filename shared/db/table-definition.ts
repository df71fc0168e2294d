import { Conflict } from '../kernel/errors.ts';
import type { PartitionedTable } from '../kernel/table.ts';
import type { Transaction } from './transaction.ts';

/** What a table has besides its columns, as statements that give it to another table of the same columns. */
export interface TableDefinition {
  /** Of both kinds: names, and what comes after the name in ADD CONSTRAINT, or CREATE INDEX up to the table's name, and after it. */
  keys: { name: string; definition: string }[];
  indexes: { name: string; head: string; tail: string }[];
  foreignKeys: { name: string; definition: string }[];
  triggers: { name: string; head: string; tail: string; state: string }[];
  /** GRANT, ALTER … OWNER and COMMENT, with `%s` for the table. */
  others: string[];
  identities: string[];
  /** Sequences that are dropped with one of its columns. */
  owned: { sequence: string; column: string }[];
}

/**
 * Reads a table's definition from the catalog.
 *
 * @throws Conflict  it has something that a partitioned table cannot have, or that would stay behind: the message says what
 */
export async function readDefinition(tx: Transaction, table: PartitionedTable): Promise<TableDefinition> {
  const name = `${table.schema}.${table.name}`;
  const { rows: obstacles } = await tx.query<{ obstacle: string }>(obstaclesSql, [
    name,
    [table.partitions.column, ...(table.partitions.hash ? [table.partitions.hash.column] : [])],
  ]);
  if (obstacles.length > 0)
    throw new Conflict(`${name} cannot be partitioned: ${obstacles.map(({ obstacle }) => obstacle).join('; ')}.`);
  const { rows } = await tx.query<TableDefinition>(definitionSql, [name]);
  return rows[0]!;
}

const obstaclesSql = `
  with t as (select $1::regclass::oid as oid),
  partition_column as (select attname, attnum, attnotnull from pg_attribute, t where attrelid = t.oid and attname = any($2))
  select format('its column %s may be null', attname) as obstacle from partition_column where not attnotnull
  union all
  select format('the key %s lacks the column %s', i.indexrelid::regclass, attname)
  from pg_index i, t, partition_column where i.indrelid = t.oid and i.indisunique and attnum <> all(i.indkey)
  union all
  select format('the foreign key %s of %s refers to it', conname, conrelid::regclass)
  from pg_constraint, t where confrelid = t.oid and contype = 'f'
  union all
  select format('the constraint %s is not valid', conname) from pg_constraint, t
  where conrelid = t.oid and not convalidated and conname <> 'within_bound'
  union all
  select format('the constraint %s excludes rows', conname) from pg_constraint, t where conrelid = t.oid and contype = 'x'
  union all
  select distinct format('the view %s reads it', r.ev_class::regclass)
  from pg_depend d join pg_rewrite r on r.oid = d.objid and d.classid = 'pg_rewrite'::regclass, t
  where d.refclassid = 'pg_class'::regclass and d.refobjid = t.oid and r.ev_class <> t.oid
  union all
  select format('the function %s returns its rows', p.oid::regprocedure)
  from pg_depend d join pg_proc p on p.oid = d.objid and d.classid = 'pg_proc'::regclass join pg_type y on y.oid = d.refobjid, t
  where d.refclassid = 'pg_type'::regclass and y.typrelid = t.oid
  union all
  select format('the function %s has a body that depends on it', d.objid::regprocedure) from pg_depend d, t
  where d.refclassid = 'pg_class'::regclass and d.refobjid = t.oid and d.classid = 'pg_proc'::regclass
  union all
  select 'it has rules' from pg_class c, t where c.oid = t.oid and c.relhasrules
  union all
  select 'it has row-level security' from pg_class c, t where c.oid = t.oid and c.relrowsecurity
  union all
  select 'it takes part in inheritance' from t
  where exists (select from pg_inherits where inhrelid = t.oid or inhparent = t.oid)
  union all
  select format('it is published by %s', pubname) from pg_publication_rel r join pg_publication p on p.oid = r.prpubid, t
  where r.prrelid = t.oid`;

// pg_get_indexdef and pg_get_triggerdef name the table between the two parts
const definitionSql = `
  with t as (select c.*, $1::regclass::oid as toid, format('%I.%I', c.relnamespace::regnamespace, c.relname) as full_name
             from pg_class c where c.oid = $1::regclass)
  select
    (select coalesce(json_agg(json_build_object('name', quote_ident(conname), 'definition', pg_get_constraintdef(k.oid)) order by conname), '[]')
     from pg_constraint k, t where conrelid = toid and contype in ('p', 'u')) as keys,
    (select coalesce(json_agg(json_build_object('name', quote_ident(i.relname),
         'head', split_part(def, ' ON ' || full_name || ' ', 1), 'tail', substr(def, strpos(def, ' ON ' || full_name || ' ') + length(' ON ' || full_name || ' ')))
       order by i.relname), '[]')
     from t join pg_index x on x.indrelid = toid join pg_class i on i.oid = x.indexrelid, pg_get_indexdef(i.oid) as def
     where not exists (select from pg_constraint k where k.conindid = i.oid and k.conrelid = toid)) as indexes,
    (select coalesce(json_agg(json_build_object('name', quote_ident(conname), 'definition', pg_get_constraintdef(k.oid)) order by conname), '[]')
     from pg_constraint k, t where conrelid = toid and contype = 'f') as "foreignKeys",
    (select coalesce(json_agg(json_build_object('name', quote_ident(tgname), 'state', tgenabled,
         'head', split_part(def, ' ON ' || full_name || ' ', 1), 'tail', substr(def, strpos(def, ' ON ' || full_name || ' ') + length(' ON ' || full_name || ' ')))
       order by tgname), '[]')
     from t join pg_trigger g on g.tgrelid = toid, pg_get_triggerdef(g.oid) as def where not tgisinternal) as triggers,
    (select coalesce(json_agg(statement), '[]') from (
       select format('alter table %%s owner to %I', pg_get_userbyid(relowner)) as statement from t
       union all
       select format('revoke all on %%s from %s', grantee) from t, lateral (
         select distinct case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end as grantee
         from pg_default_acl d, aclexplode(d.defaclacl) a where d.defaclobjtype = 'r' and d.defaclnamespace = t.relnamespace) as defaults
       union all
       select format('grant %s on %%s to %s%s', a.privilege_type,
         case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end,
         case when a.is_grantable then ' with grant option' else '' end)
       from t, aclexplode(t.relacl) a
       union all
       select format('grant %s (%I) on %%s to %s', a.privilege_type, c.attname,
         case when a.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(a.grantee)) end)
       from t join pg_attribute c on c.attrelid = toid, aclexplode(c.attacl) a
       union all
       select format('comment on table %%s is %L', description) from t join pg_description d on d.objoid = toid
       where d.classoid = 'pg_class'::regclass and d.objsubid = 0
     ) as statements) as others,
    (select coalesce(json_agg(quote_ident(attname)), '[]') from t join pg_attribute a on a.attrelid = toid
     where attidentity <> '') as identities,
    (select coalesce(json_agg(json_build_object('sequence', d.objid::regclass::text, 'column', quote_ident(a.attname))), '[]')
     from t join pg_depend d on d.refobjid = toid and d.refclassid = 'pg_class'::regclass and d.classid = 'pg_class'::regclass and d.deptype = 'a'
       join pg_class s on s.oid = d.objid and s.relkind = 'S' join pg_attribute a on a.attrelid = toid and a.attnum = d.refobjsubid) as owned`;
