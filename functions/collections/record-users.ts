import type { Changed } from '../../shared/db/changed.ts';
import { stageRows } from '../../shared/db/stage-rows.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { toBytes } from '../../shared/kernel/address.ts';

/** A Farcaster user with one wallet, as seen at a time. */
export interface SeenWallet {
  fid: number;
  wallet: string;
  username?: string | undefined;
  seenAt: Date;
}

/**
 * Records users and their wallets as seen: a user has every wallet seen, and the name seen last. Gives how many of the
 * rows told something new.
 *
 * @source the import `collections.users`
 */
export async function recordSeenWallets(tx: Transaction, records: readonly SeenWallet[]): Promise<Changed> {
  const columns = { fid: 'bigint', wallet: 'bytea', username: 'text', seen_at: 'timestamptz' } as const;
  await stageRows(
    tx,
    'staged_users',
    columns,
    records.map((one) => [one.fid, toBytes(one.wallet), one.username, one.seenAt]),
  );
  const users = await tx.query<{ fid: string }>(`
    with latest as (
      select fid, max(username) filter (where rank = 1) as username, max(seen_at) filter (where username is not null) as seen_at
      from (select *, row_number() over (partition by fid order by (username is null), seen_at desc, position desc) as rank
            from pg_temp.staged_users) as ranked
      group by fid
    )
    insert into collections.fc_users as u (fid, username, username_seen_at)
    select l.fid, l.username, l.seen_at from latest l left join collections.fc_users e using (fid)
    where e.fid is null
      or (l.username is not null and (e.username_seen_at is null or l.seen_at > e.username_seen_at))
    order by l.fid
    on conflict (fid) do update set username = excluded.username, username_seen_at = excluded.username_seen_at, updated_at = now()
      where u.username_seen_at is null or u.username_seen_at < excluded.username_seen_at
    returning fid`);
  const wallets = await tx.query<{ fid: string }>(`
    with seen as (select fid, wallet, min(seen_at) as first, max(seen_at) as last from pg_temp.staged_users group by fid, wallet)
    insert into collections.fc_user_wallets as w (fid, wallet, first_seen_at, last_seen_at)
    select s.fid, s.wallet, s.first, s.last from seen s left join collections.fc_user_wallets e using (fid, wallet)
    where e.fid is null or s.first < e.first_seen_at or s.last > e.last_seen_at
    order by s.fid, s.wallet
    on conflict (fid, wallet) do update set
      first_seen_at = least(w.first_seen_at, excluded.first_seen_at), last_seen_at = greatest(w.last_seen_at, excluded.last_seen_at)
    returning fid`);
  const changed = new Set([...users.rows, ...wallets.rows].map(({ fid }) => Number(fid)));
  const applied = records.filter(({ fid }) => changed.has(fid)).length;
  return { applied, unchanged: records.length - applied };
}

/** A user as upstream has them now, with all their verified wallets. */
export interface UserRecord {
  fid: number;
  username: string | null;
  displayName: string | null;
  imageUrl: string | null;
  wallets: readonly string[];
}

/**
 * Records users as upstream has them: wallets that are verified no longer go.
 *
 * @source Neynar user/bulk and user/bulk-by-address
 */
export async function recordUsers(tx: Transaction, users: readonly UserRecord[]): Promise<Changed> {
  const columns = { fid: 'bigint', username: 'text', display_name: 'text', image_url: 'text' } as const;
  await stageRows(
    tx,
    'staged_profiles',
    columns,
    users.map((one) => [one.fid, one.username, one.displayName, one.imageUrl]),
  );
  const verified = users.flatMap(({ fid, wallets }) => wallets.map((wallet) => [fid, toBytes(wallet)] as const));
  await stageRows(tx, 'staged_wallets', { fid: 'bigint', wallet: 'bytea' }, verified);
  const written = await tx.query<{ fid: string }>(`
    insert into collections.fc_users as u (fid, username, username_seen_at, display_name, image_url, refreshed_at)
    select distinct on (s.fid) s.fid, s.username, now(), s.display_name, s.image_url, now()
    from pg_temp.staged_profiles s left join collections.fc_users e using (fid)
    where (e.username, e.display_name, e.image_url) is distinct from (s.username, s.display_name, s.image_url) or e.refreshed_at is null
    order by s.fid, s.position desc
    on conflict (fid) do update set username = excluded.username, username_seen_at = excluded.username_seen_at,
      display_name = excluded.display_name, image_url = excluded.image_url, refreshed_at = now(), updated_at = now()
    returning fid`);
  const gone = await tx.query<{ fid: string }>(`
    delete from collections.fc_user_wallets w using pg_temp.staged_profiles p
    where w.fid = p.fid and not exists (select 1 from pg_temp.staged_wallets s where (s.fid, s.wallet) = (w.fid, w.wallet))
    returning w.fid`);
  const added = await tx.query<{ fid: string }>(`
    insert into collections.fc_user_wallets (fid, wallet, first_seen_at, last_seen_at)
    select distinct s.fid, s.wallet, now(), now() from pg_temp.staged_wallets s
    where not exists (select 1 from collections.fc_user_wallets w where (w.fid, w.wallet) = (s.fid, s.wallet))
    order by 1, 2 on conflict do nothing returning fid`);
  const applied = new Set([...written.rows, ...gone.rows, ...added.rows].map(({ fid }) => fid)).size;
  return { applied, unchanged: users.length - applied };
}
