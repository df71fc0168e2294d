import sql from 'sql-template-tag';
import type { Changed } from '../../shared/db/changed.ts';
import { columnList } from '../../shared/db/column-lists.ts';
import { TemporaryTable } from '../../shared/db/temporary-table.ts';
import type { Transaction } from '../../shared/db/transaction.ts';
import { updateEditionNames } from './record-catalogue.ts';

/** A moment: its edition and serial number, and names if the source lists them with the moment. */
export interface MomentRecord {
  nftId: string;
  setId: number;
  playId: number;
  serialNumber: number;
  setName?: string | null;
  tier?: string | null;
  playerName?: string | null;
  teamName?: string | null;
}

const stagedMoments = new TemporaryTable('staged_moments', {
  nft_id: 'bigint',
  set_id: 'integer',
  play_id: 'integer',
  serial_number: 'integer',
  set_name: 'text',
  tier: 'text',
  player_name: 'text',
  team_name: 'text',
});
const editionColumns = columnList(stagedMoments.columnsExcept('nft_id', 'serial_number'));

/**
 * Stores moments, and creates missing editions. Unchanged rows are not written.
 *
 * @source Snowflake NFT_CORE_METADATA, or the import `wallets.moments`
 */
export async function recordMoments(tx: Transaction, records: readonly MomentRecord[]): Promise<Changed> {
  await stagedMoments.fill(tx, records, (one) => ({
    nft_id: one.nftId,
    set_id: one.setId,
    play_id: one.playId,
    serial_number: one.serialNumber,
    set_name: one.setName,
    tier: one.tier,
    player_name: one.playerName,
    team_name: one.teamName,
  }));
  const editions = await tx.query(sql`
    insert into wallets.editions as e (${editionColumns})
    select s.*
    from (
      select distinct on (set_id, play_id) ${editionColumns}
      from ${stagedMoments} order by set_id, play_id, position desc
    ) as s left join wallets.editions e on e.set_id = s.set_id and e.play_id = s.play_id
    where e.id is null
      or (coalesce(s.set_name, e.set_name), coalesce(s.tier, e.tier), coalesce(s.player_name, e.player_name), coalesce(s.team_name, e.team_name))
        is distinct from (e.set_name, e.tier, e.player_name, e.team_name)
    order by s.set_id, s.play_id
    on conflict (set_id, play_id) do update set
      set_name = coalesce(excluded.set_name, e.set_name), tier = coalesce(excluded.tier, e.tier),
      player_name = coalesce(excluded.player_name, e.player_name), team_name = coalesce(excluded.team_name, e.team_name)`);
  if (editions.rowCount !== 0) await updateEditionNames(tx);
  const { rowCount } = await tx.query(sql`
    insert into wallets.nft_core_metadata (nft_id, edition_id, serial_number)
    select distinct on (s.nft_id) s.nft_id, e.id, s.serial_number
    from ${stagedMoments} s
      join wallets.editions e on e.set_id = s.set_id and e.play_id = s.play_id
      left join wallets.nft_core_metadata m on m.nft_id = s.nft_id
    where (m.edition_id, m.serial_number) is distinct from (e.id, s.serial_number)
    order by s.nft_id, s.position desc
    on conflict (nft_id) do update set edition_id = excluded.edition_id, serial_number = excluded.serial_number`);
  const applied = rowCount ?? 0;
  return { applied, unchanged: records.length - applied };
}
