import { createTestDomain } from './test-domain.ts';

/** The portfolio domain under test. Its upstreams do not respond, unless the environment says where they are. */
export async function createPortfolio(environment: Record<string, string> = {}) {
  const domain = await createTestDomain('portfolio', environment);
  const { database, runMessage, jobRow } = domain;
  const q = async (text: string, values: unknown[] = []) => (await database.pool.query(text, values)).rows;
  /** Runs a job and returns its row. */
  const runJob = async (job: string, params: Record<string, unknown> = {}, remainingMs?: number) => {
    await runMessage({ job: `portfolio.${job}`, params }, remainingMs);
    const [{ id }] = await q('select id from platform.jobs where job = $1 order by created_at desc, id desc limit 1', [
      `portfolio.${job}`,
    ]);
    return jobRow(id);
  };
  const addToken = async (
    chain: string | null,
    address: string | null,
    symbol: string | null,
    more: { coingeckoId?: string; decimals?: number } = {},
  ): Promise<number> => {
    const [{ id }] = await q(
      `insert into portfolio.tokens (chain, address, symbol, coingecko_id, decimals) values ($1, $2, $3, $4, $5) returning id`,
      [chain, address && bytesOf(address), symbol, more.coingeckoId, more.decimals],
    );
    return id;
  };
  const addWallet = async (address: string, isTracked = true): Promise<number> => {
    const [{ id }] = await q('insert into portfolio.wallets (address, is_tracked) values ($1, $2) returning id', [
      bytesOf(address),
      isTracked,
    ]);
    return id;
  };
  return { ...domain, q, runJob, addToken, addWallet };
}

const bytesOf = (hex: string) => Buffer.from(hex.slice(2), 'hex');
