import sql from 'sql-template-tag';
import { inTransaction, type Transaction } from '../../shared/db/transaction.ts';
import { handleJob } from '../../shared/jobs/run-job.ts';
import { jobs } from './jobs.ts';
import { lockHoldings } from './record-holdings.ts';

/** A wallet with this many moments becomes large, and stays so while it holds half as many. */
export const largeWalletSize = 1_000;

/** Each chunk is one transaction, for which other writers of holdings wait. */
const chunkSize = 10_000;

/**
 * Copies the holdings of wallets that became large to `large_wallet_holdings`, and deletes the copies of wallets that are
 * large no more. Which of the two a list reads does not change its answer. Triggers keep the copies up to date from the
 * moment a wallet is in `large_wallets`.
 */
export const copyLargeWallets = handleJob(jobs.copyLargeWallets, async ({ deadline }) => {
  const { grown, shrunk } = await inTransaction(chooseLargeWallets);
  while (new Date() < deadline) if (!(await inTransaction(copyChunk))) return { result: { grown, shrunk } };
  return 'continue';
});

/** Decides by the summaries which wallets are large. */
export async function chooseLargeWallets(tx: Transaction): Promise<{ grown: number; shrunk: number }> {
  await lockHoldings(tx);
  const { rows: shrunk } = await tx.query<{ wallet_address: Buffer }>(sql`
    delete from wallets.large_wallets l
    where not exists (
      select 1 from wallets.wallet_summary_snapshot s
      where s.wallet_address = l.wallet_address and s.moments_total >= ${largeWalletSize / 2})
    returning wallet_address`);
  await tx.query(sql`
    delete from wallets.large_wallet_holdings where wallet_address = any (${shrunk.map((one) => one.wallet_address)})`);
  const { rowCount: grown } = await tx.query(sql`
    insert into wallets.large_wallets (wallet_address)
    select wallet_address from wallets.wallet_summary_snapshot where moments_total >= ${largeWalletSize}
    on conflict do nothing`);
  return { grown: grown ?? 0, shrunk: shrunk.length };
}

/** Copies the next holdings of an incomplete wallet. False if there is none. */
export async function copyChunk(tx: Transaction): Promise<boolean> {
  await lockHoldings(tx);
  const { rowCount } = await tx.query(sql`
    with incomplete as (
      select * from wallets.large_wallets where not is_complete order by wallet_address limit 1
    ), chunk as (
      select h.* from incomplete w join wallets.wallet_holdings h on h.wallet_address = w.wallet_address and h.nft_id > w.copied_to
      order by h.nft_id limit ${chunkSize}
    ), copied as (
      insert into wallets.large_wallet_holdings
      select h.wallet_address, h.is_locked, h.nft_id, coalesce(m.edition_id, 0), coalesce(m.serial_number, 2147483647), h.last_event_ts
      from chunk h left join wallets.nft_core_metadata m on m.nft_id = h.nft_id
      -- a trigger copied it already
      on conflict do nothing
    )
    update wallets.large_wallets l
    set copied_to = coalesce(last.nft_id, l.copied_to), is_complete = last.rows < ${chunkSize}
    from incomplete, (select max(nft_id) as nft_id, count(*) as rows from chunk) as last
    where l.wallet_address = incomplete.wallet_address`);
  return rowCount !== 0;
}
