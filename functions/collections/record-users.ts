import sql from 'sql-template-tag';
import type { Changed } from '../../shared/db/changed.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { toBytes } from '../../shared/kernel/address.ts';

/** A Farcaster user with one of their wallets, as seen at a time. */
export interface SeenWallet {
  fid: number;
  wallet: string;
  username?: string | undefined;
  seenAt: Date;
}

const stagedUsers = new TemporaryTable('staged_users', {
  fid: 'bigint',
  wallet: 'bytea',
  username: 'text',
  seen_at: 'timestamptz',
});

/**
 * Stores users with every wallet and the latest username seen for them. Returns how many rows belong to users that are
 * new or changed.
 *
 * @source the import `collections.users`
 */
export async function recordSeenWallets(tx: Transaction, records: readonly SeenWallet[]): Promise<Changed> {
  await stagedUsers.fill(tx, records, (one) => ({
    fid: one.fid,
    wallet: toBytes(one.wallet),
    username: one.username,
    seen_at: one.seenAt,
  }));
  const users = await tx.query<{ fid: string }>(sql`
    with latest as (
      select fid, max(username) filter (where rank = 1) as username, max(seen_at) filter (where username is not null) as seen_at
      from (select *, row_number() over (partition by fid order by (username is null), seen_at desc, position desc) as rank
            from ${stagedUsers}) as ranked
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
  const wallets = await tx.query<{ fid: string }>(sql`
    with seen as (select fid, wallet, min(seen_at) as first, max(seen_at) as last from ${stagedUsers} group by fid, wallet)
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

/** A user's current upstream profile, with all verified wallets. Where it is null, the stored value stays. */
export interface UserRecord {
  fid: number;
  username: string | null;
  displayName: string | null;
  imageUrl: string | null;
  wallets: readonly string[] | null;
}

const stagedProfiles = new TemporaryTable('staged_profiles', {
  fid: 'bigint',
  username: 'text',
  display_name: 'text',
  image_url: 'text',
  lists_wallets: 'boolean',
});
const stagedWallets = new TemporaryTable('staged_wallets', { fid: 'bigint', wallet: 'bytea' });

/**
 * Stores users as upstream lists them, and removes wallets that are no longer verified.
 *
 * @source Neynar user/bulk
 */
export async function recordUsers(tx: Transaction, users: readonly UserRecord[]): Promise<Changed> {
  await stagedProfiles.fill(tx, users, (one) => ({
    fid: one.fid,
    username: one.username,
    display_name: one.displayName,
    image_url: one.imageUrl,
    lists_wallets: one.wallets !== null,
  }));
  const verified = users.flatMap(({ fid, wallets }) =>
    (wallets ?? []).map((wallet) => ({ fid, wallet: toBytes(wallet) })),
  );
  await stagedWallets.fill(tx, verified, (one) => one);
  const written = await tx.query<{ fid: string }>(sql`
    insert into collections.fc_users as u (fid, username, username_seen_at, display_name, image_url, refreshed_at)
    select distinct on (s.fid) s.fid, s.username, now(), s.display_name, s.image_url, now()
    from ${stagedProfiles} s left join collections.fc_users e using (fid)
    where (coalesce(s.username, e.username), coalesce(s.display_name, e.display_name), coalesce(s.image_url, e.image_url))
        is distinct from (e.username, e.display_name, e.image_url)
      or e.refreshed_at is null
    order by s.fid, s.position desc
    on conflict (fid) do update set username = coalesce(excluded.username, u.username),
      username_seen_at = excluded.username_seen_at, display_name = coalesce(excluded.display_name, u.display_name),
      image_url = coalesce(excluded.image_url, u.image_url), refreshed_at = now(), updated_at = now()
    returning fid`);
  const removed = await tx.query<{ fid: string }>(sql`
    delete from collections.fc_user_wallets w using ${stagedProfiles} p
    where w.fid = p.fid and p.lists_wallets and not exists (select 1 from ${stagedWallets} s where (s.fid, s.wallet) = (w.fid, w.wallet))
    returning w.fid`);
  const added = await tx.query<{ fid: string }>(sql`
    insert into collections.fc_user_wallets (fid, wallet, first_seen_at, last_seen_at)
    select distinct s.fid, s.wallet, now(), now() from ${stagedWallets} s
    where not exists (select 1 from collections.fc_user_wallets w where (w.fid, w.wallet) = (s.fid, s.wallet))
    order by 1, 2 on conflict do nothing returning fid`);
  const applied = new Set([...written.rows, ...removed.rows, ...added.rows].map(({ fid }) => fid)).size;
  return { applied, unchanged: users.length - applied };
}
