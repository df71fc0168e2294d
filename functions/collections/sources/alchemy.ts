/**
 * A client for Alchemy's NFT API v3 and Transfers API. Responses are validated and converted to the records of this
 * domain. Alchemy's specification marks no field as required, so most are optional here. A malformed item is rejected by
 * itself, not with its page.
 */
import * as z from 'zod';
import { address, transactionHash, zeroAddress } from '../../../shared/kernel/address.ts';
import { InvalidInput, NotFound, PositionExpired, ResponseTooLarge, Upstream } from '../../../shared/kernel/errors.ts';
import { storable, upstreamText } from '../../../shared/kernel/text.ts';
import { type Connection, connectUpstream } from '../../../shared/upstream/client.ts';
import type { Page } from '../../../shared/upstream/pages.ts';
import { alchemy } from '../../upstreams/alchemy.ts';
import type { CollectionRecord } from '../record-collection.ts';
import type { NftRecord } from '../record-nfts.ts';
import type { OwnerRecord } from '../record-owners.ts';
import type { TransferRecord } from '../record-transfers.ts';
import { erc1155Metadata, hexNumber, logIndex, wholeNumber } from './alchemy-fields.ts';

export interface Block {
  number: number;
  hash: string;
}

/** `finalized`: the last block that no reorg can replace. */
export type BlockName = number | 'latest' | 'finalized';

/** A page key that is no longer known throws `PositionExpired` (retryable): read again from the start. */
export interface Alchemy {
  /** Blocks of the chain as it is now, in the order asked for. Undefined for a number that the chain has not reached. */
  getBlocks(names: readonly BlockName[]): Promise<(Block | undefined)[]>;
  /** @throws NotFound  the address is not an NFT contract */
  getContractMetadata(contract: string): Promise<CollectionRecord>;
  getNfts(contract: string, pageKey: string | null): Promise<Page<NftRecord>>;
  getOwners(contract: string, pageKey: string | null): Promise<Page<OwnerRecord>>;
  getContractsForOwner(owner: string, pageKey: string | null): Promise<Page<string>>;
  /** The transfers from one block through another, both inclusive, in chain order. */
  getTransfers(
    contract: string,
    fromBlock: number,
    toBlock: number,
    pageKey: string | null,
  ): Promise<Page<TransferRecord>>;
}

const text = upstreamText;
const pageKeyText = z.string().nullish();

/** What a contract says of itself and its tokens may be anything: a field that makes no sense counts as left out. */
const odd = <T>(schema: z.ZodType<T>) => schema.nullish().catch(undefined);

export const contractMetadata = z.object({
  address,
  name: text,
  symbol: text,
  totalSupply: odd(z.string().regex(/^\d{1,78}$/)),
  tokenType: z.string().nullish(),
  contractDeployer: odd(address),
  deployedBlockNumber: odd(z.number().int().nonnegative()),
  openSeaMetadata: odd(
    z.object({ floorPrice: odd(z.number().nonnegative()), imageUrl: text, description: text, externalUrl: text }),
  ),
});

/** Shortened to what the columns of traits take, because an index has both. */
const shortened = (max: number) => (value: string) => {
  const characters = [...storable(value)];
  return characters.length <= max ? characters.join('') : `${characters.slice(0, max - 1).join('')}…`;
};
const attribute = z.object({
  trait_type: z.string().transform(shortened(100)),
  value: z.union([z.string(), z.number()]).transform(String).transform(shortened(500)),
});

export const nft = z.object({
  tokenId: wholeNumber,
  name: text,
  description: text,
  tokenUri: text,
  image: odd(z.object({ cachedUrl: text, originalUrl: text })),
  raw: odd(z.object({ metadata: odd(z.object({ attributes: odd(z.array(z.unknown())) })) })),
});

export const owner = z.object({
  ownerAddress: address,
  tokenBalances: z.array(z.object({ tokenId: wholeNumber, balance: z.coerce.string().pipe(wholeNumber) })),
});

export const transfer = z.object({
  blockNum: hexNumber,
  uniqueId: z
    .string()
    .transform((id) => /:log:(\d+)$/.exec(id)?.[1])
    .transform((index) => (index === undefined ? undefined : Number(index)))
    .pipe(logIndex.optional()),
  hash: transactionHash,
  from: address,
  to: address.nullish(),
  tokenId: wholeNumber.nullish(),
  erc721TokenId: wholeNumber.nullish(),
  erc1155Metadata,
  rawContract: z.object({ address: address.nullish() }).nullish(),
  metadata: odd(z.object({ blockTimestamp: z.iso.datetime() })),
});

const transfersPage = z.object({ transfers: z.array(z.unknown()), pageKey: pageKeyText });

const block = z.object({ number: hexNumber, hash: transactionHash });

const pageSize = 100;
/** JSON-RPC's code for parameters that the server rejects. */
const invalidParams = -32_602;
/** A batch counts as one request of the budget, but each of its blocks costs 20 compute units. */
const blocksPerBatch = 50;
const transfersPerPage = 1_000;
/** A batch may hold thousands of tokens, so even a few transfers may exceed the limit of a response. */
const minTransfersPerPage = 4;

/** The Alchemy client of this container. */
export function getAlchemy(): Promise<Alchemy> {
  return connectUpstream(alchemy, createAlchemy);
}

/** Creates an Alchemy client for one network. */
export function createAlchemy({ baseUrl, credentials, request, expect }: Connection<typeof alchemy>): Alchemy {
  const apiKey = async () => (await credentials()).apiKey;
  const nftApi = async <T>(operation: string, query: Record<string, string>, schema: z.ZodType<T>): Promise<T> => {
    const url = `${baseUrl}/nft/v3/${await apiKey()}/${operation}?${new URLSearchParams(query)}`;
    return expect(operation, schema, await request({ operation, url }));
  };
  const post = async (operation: string, body: unknown) =>
    request({ operation, url: `${baseUrl}/v2/${await apiKey()}`, body });
  const rpc = async <T>(method: string, params: unknown[], result: z.ZodType<T>): Promise<T> =>
    resultOf(method, result, await post(method, { jsonrpc: '2.0', id: 1, method, params }));
  /** The result in a JSON-RPC reply. @throws InvalidInput  the parameters were rejected; other errors are Upstream's */
  const resultOf = <T>(method: string, result: z.ZodType<T>, reply: unknown): T => {
    const failed = z.object({ error: z.object({ code: z.number(), message: z.string() }) }).safeParse(reply);
    if (!failed.success) return expect(method, z.object({ result }), reply).result;
    const { code, message } = failed.data.error;
    const reason = `alchemy ${method}: failed with ${code}: ${message}`;
    throw code === invalidParams ? new InvalidInput(reason) : new Upstream(reason);
  };
  const withPageKey = (query: Record<string, string>, name: string, key: string | null) =>
    key === null ? query : { ...query, [name]: key };

  return {
    async getBlocks(names) {
      const method = 'eth_getBlockByNumber';
      const found: (Block | undefined)[] = [];
      for (let start = 0; start < names.length; start += blocksPerBatch) {
        const batch = names.slice(start, start + blocksPerBatch).map((name, id) => {
          const params = [typeof name === 'number' ? `0x${name.toString(16)}` : name, false];
          return { jsonrpc: '2.0', id, method, params };
        });
        const replies = expect(method, z.array(z.looseObject({ id: z.number() })), await post(method, batch));
        // replies come in any order
        const byId = new Map(replies.map((reply) => [reply.id, reply]));
        found.push(...batch.map(({ id }) => resultOf(method, block.nullable(), byId.get(id)) ?? undefined));
      }
      return found;
    },

    async getContractMetadata(contract) {
      const found = await nftApi('getContractMetadata', { contractAddress: contract }, contractMetadata);
      const isNft = found.tokenType === 'ERC721' || found.tokenType === 'ERC1155';
      if (!isNft) throw new NotFound(`${contract} is not an NFT contract.`);
      return toCollection(contract, found);
    },

    async getNfts(contract, pageKey) {
      const query = withPageKey(
        { contractAddress: contract, withMetadata: 'true', limit: String(pageSize) },
        'startToken',
        pageKey,
      );
      const page = await nftApi(
        'getNFTsForContract',
        query,
        z.object({ nfts: z.array(z.unknown()), pageKey: pageKeyText }),
      );
      return toPage(page.nfts, page.pageKey, nft, (one) => [toNft(contract, one)]);
    },

    async getOwners(contract, pageKey) {
      const query = withPageKey({ contractAddress: contract, withTokenBalances: 'true' }, 'pageKey', pageKey);
      const page = await withKnownKey(pageKey, () =>
        nftApi('getOwnersForContract', query, z.object({ owners: z.array(z.unknown()), pageKey: pageKeyText })),
      );
      return toPage(page.owners, page.pageKey, owner, ({ ownerAddress, tokenBalances }) =>
        tokenBalances.map(({ tokenId, balance }) => ({ tokenId, owner: ownerAddress, amount: balance })),
      );
    },

    async getContractsForOwner(holder, pageKey) {
      const query = withPageKey({ owner: holder, pageSize: String(pageSize) }, 'pageKey', pageKey);
      const page = await withKnownKey(pageKey, () =>
        nftApi('getContractsForOwner', query, z.object({ contracts: z.array(z.unknown()), pageKey: pageKeyText })),
      );
      const held = z.object({ address, isSpam: z.boolean().nullish() });
      return toPage(page.contracts, page.pageKey, held, (one) => (one.isSpam ? [] : [one.address]));
    },

    async getTransfers(contract, fromBlock, toBlock, pageKey) {
      const filter = {
        fromBlock: `0x${fromBlock.toString(16)}`,
        toBlock: `0x${toBlock.toString(16)}`,
        contractAddresses: [contract],
        category: ['erc721', 'erc1155'],
        order: 'asc',
        withMetadata: true,
        excludeZeroValue: false,
        ...(pageKey === null ? {} : { pageKey }),
      };
      const readPage = async (count: number): Promise<z.output<typeof transfersPage>> =>
        rpc('alchemy_getAssetTransfers', [{ ...filter, maxCount: `0x${count.toString(16)}` }], transfersPage).catch(
          (error: unknown) => {
            if (!(error instanceof ResponseTooLarge) || count <= minTransfersPerPage) throw error;
            return readPage(Math.ceil(count / 4));
          },
        );
      const page = await withKnownKey(pageKey, () => readPage(transfersPerPage));
      return toPage(page.transfers, page.pageKey, transfer, (one) => toTransfers(contract, one));
    },
  };
}

/** What a request with a page key returns. @throws PositionExpired  the upstream rejected the key */
function withKnownKey<T>(pageKey: string | null, read: () => Promise<T>): Promise<T> {
  return read().catch((error: unknown) => {
    if (pageKey === null || !(error instanceof InvalidInput)) throw error;
    throw new PositionExpired(`${error.message} The page key has probably expired. Read again from the start.`);
  });
}

function toPage<Item, Row>(
  items: unknown[],
  next: string | null | undefined,
  schema: z.ZodType<Item>,
  toRows: (item: Item) => Row[],
): Page<Row> {
  const page: Page<Row> = { rows: [], rejected: [], next: next ?? null };
  for (const item of items) {
    const parsed = schema.safeParse(item);
    if (parsed.success) page.rows.push(...toRows(parsed.data));
    else
      page.rejected.push({
        reason: parsed.error.issues.map(({ path, message }) => `${path.join('.')} ${message}`).join('; '),
        row: item,
      });
  }
  return page;
}

function toCollection(contract: string, found: z.output<typeof contractMetadata>): CollectionRecord {
  const market = found.openSeaMetadata;
  return {
    collection: contract,
    name: found.name ?? null,
    symbol: found.symbol ?? null,
    tokenType: found.tokenType as 'ERC721' | 'ERC1155',
    description: market?.description ?? null,
    imageUrl: market?.imageUrl ?? null,
    externalUrl: market?.externalUrl ?? null,
    totalSupply: found.totalSupply ?? null,
    floorPriceEth: market?.floorPrice == null ? null : String(market.floorPrice),
    deployer: found.contractDeployer ?? null,
    deployedBlock: found.deployedBlockNumber ?? null,
  };
}

function toNft(contract: string, one: z.output<typeof nft>): NftRecord {
  const traits = one.raw?.metadata?.attributes?.flatMap((raw) => attribute.safeParse(raw).data ?? []);
  return {
    collection: contract,
    tokenId: one.tokenId,
    name: one.name ?? undefined,
    description: one.description ?? undefined,
    imageUrl: one.image?.cachedUrl ?? one.image?.originalUrl ?? undefined,
    tokenUri: one.tokenUri ?? undefined,
    traits: traits?.map(({ trait_type, value }) => ({ type: trait_type, value })),
  };
}

/** One transfer for ERC-721, one per token of a batch for ERC-1155. */
function toTransfers(contract: string, one: z.output<typeof transfer>): TransferRecord[] {
  const common = {
    collection: one.rawContract?.address ?? contract,
    blockNumber: one.blockNum,
    logIndex: one.uniqueId,
    transactionHash: one.hash,
    from: one.from,
    to: one.to ?? zeroAddress,
    timestamp: one.metadata ? new Date(one.metadata.blockTimestamp) : undefined,
  };
  if (one.erc1155Metadata) {
    return one.erc1155Metadata.map(({ tokenId, value }, batchIndex) => ({
      ...common,
      tokenId,
      tokenType: 'ERC1155' as const,
      batchIndex,
      amount: value,
    }));
  }
  const tokenId = one.erc721TokenId ?? one.tokenId;
  return tokenId == null ? [] : [{ ...common, tokenId }];
}
