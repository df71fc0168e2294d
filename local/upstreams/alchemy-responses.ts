/** The responses of Alchemy's stand-in: NFT API v3 and Transfers, over its world. */
import { randomUUID } from 'node:crypto';
import { type Collection, hashOf, type Transfer, timeOf, type World } from './world.ts';

const nftsPerPage = 100;

/** What responses are made from. */
export interface Source {
  world: World;
  /** Owners or transfers. */
  pageSize: number;
  /** What each page key stands for: its query, and where the page begins. */
  pageKeys: Map<string, { query: Record<string, unknown>; after: string | number }>;
}

/** A page key was not issued here, or has expired. */
export class UnknownPageKey extends Error {
  override readonly message = 'pageKey is invalid or has expired';
}

function issueKey({ pageKeys }: Source, query: Record<string, unknown>, after: string | number): string {
  const key = randomUUID();
  pageKeys.set(key, { query, after });
  return key;
}

/** As upstream does, ignores the query of a request with a key: the key's own counts. */
function continued({ pageKeys }: Source, key: unknown) {
  const found = pageKeys.get(String(key));
  if (!found) throw new UnknownPageKey();
  return found;
}

export const hex = (number: number | bigint) => `0x${number.toString(16)}`;

/** The response to a call of the NFT API; undefined if there is no such operation. @throws UnknownPageKey */
export function answerNft(
  source: Source,
  operation: string,
  query: URLSearchParams,
): Record<string, unknown> | undefined {
  const { world } = source;
  const contract = (query.get('contractAddress') ?? '').toLowerCase();
  const collection = world.collections.find(({ address }) => address === contract);
  switch (operation) {
    case 'getContractMetadata':
      return collection ? metadataOf(collection) : { address: contract, tokenType: 'NOT_A_CONTRACT' };
    case 'getNFTsForContract':
      return collection ? nftsOf(collection, Number(query.get('startToken') ?? 0)) : { nfts: [] };
    case 'getOwnersForContract':
      return collection ? ownersOf(source, collection, query.get('pageKey')) : { owners: [] };
    case 'getContractsForOwner':
      return contractsOf(world, (query.get('owner') ?? '').toLowerCase());
    default:
      return undefined;
  }
}

function metadataOf({
  address,
  name,
  symbol,
  totalSupply,
  tokenType,
  deployer,
  deployedBlock,
  floorPrice,
  description,
}: Collection) {
  return {
    address,
    name,
    symbol,
    totalSupply: String(totalSupply),
    tokenType,
    contractDeployer: deployer,
    deployedBlockNumber: deployedBlock,
    openSeaMetadata: {
      floorPrice,
      collectionName: name,
      safelistRequestStatus: 'verified',
      imageUrl: `https://cdn.example.com/${symbol.toLowerCase()}.png`,
      description,
      externalUrl: `https://example.com/${symbol.toLowerCase()}`,
      twitterUsername: symbol.toLowerCase(),
      discordUrl: `https://discord.example.com/${symbol.toLowerCase()}`,
      lastIngestedAt: timeOf(deployedBlock),
    },
  };
}

function nftsOf(collection: Collection, start: number): Record<string, unknown> {
  const end = Math.min(start + nftsPerPage, collection.totalSupply);
  const nfts = collection.traits.slice(start, end).map((attributes, i) => {
    const tokenId = String(start + i);
    const image = `https://cdn.example.com/${collection.symbol.toLowerCase()}/${tokenId}`;
    return {
      contract: metadataOf(collection),
      tokenId,
      tokenType: collection.tokenType,
      name: `${collection.name} #${tokenId}`,
      description: collection.description,
      image: {
        cachedUrl: `${image}.png`,
        thumbnailUrl: `${image}-small.png`,
        pngUrl: `${image}.png`,
        contentType: 'image/png',
        size: 20_000,
        originalUrl: `ipfs://local/${tokenId}`,
      },
      raw: {
        tokenUri: `ipfs://local/${tokenId}.json`,
        metadata: { name: `${collection.name} #${tokenId}`, attributes },
      },
      tokenUri: `ipfs://local/${tokenId}.json`,
      timeLastUpdated: timeOf(collection.deployedBlock),
    };
  });
  return { nfts, ...(end < collection.totalSupply ? { pageKey: String(end) } : {}) };
}

function ownersOf(source: Source, { address, totalSupply }: Collection, key: string | null): Record<string, unknown> {
  const { world, pageSize } = source;
  const after = key === null ? '' : continued(source, key).after;
  const held = new Map<string, { tokenId: string; balance: number }[]>();
  for (let tokenId = 0; tokenId < totalSupply; tokenId++) {
    for (const [wallet, amount] of world.owners.get(`${address}:${tokenId}`) ?? []) {
      if (amount > 0n)
        held.set(wallet, [...(held.get(wallet) ?? []), { tokenId: String(tokenId), balance: Number(amount) }]);
    }
  }
  const rest = [...held]
    .filter(([wallet]) => wallet > after)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([ownerAddress, tokenBalances]) => ({ ownerAddress, tokenBalances }));
  const owners = rest.slice(0, pageSize);
  const more = rest.length > pageSize;
  return { owners, ...(more ? { pageKey: issueKey(source, { address }, owners.at(-1)!.ownerAddress) } : {}) };
}

function contractsOf(world: World, owner: string): Record<string, unknown> {
  const contracts = world.collections.flatMap((collection) => {
    const balances = collection.traits
      .map((_, tokenId) => world.owners.get(`${collection.address}:${tokenId}`)?.get(owner) ?? 0n)
      .filter((amount) => amount > 0n);
    if (balances.length === 0) return [];
    return [
      {
        ...metadataOf(collection),
        totalBalance: Number(balances.reduce((a, b) => a + b)),
        numDistinctTokensOwned: balances.length,
        isSpam: false,
      },
    ];
  });
  return { contracts, totalCount: String(contracts.length) };
}

export interface Rpc {
  id: number;
  method: string;
  params: unknown[];
}

/** The response to a JSON-RPC call. */
export function answerRpc(source: Source, { id, method, params }: Rpc): Record<string, unknown> {
  const reply = { jsonrpc: '2.0', id };
  try {
    switch (method) {
      case 'eth_getBlockByNumber':
        return { ...reply, result: blockOf(source.world, String(params[0])) };
      case 'alchemy_getAssetTransfers':
        return { ...reply, result: transfersOf(source, params[0] as Record<string, unknown>) };
      default:
        return { ...reply, error: { code: -32_601, message: `Unsupported method: ${method}` } };
    }
  } catch (error) {
    if (!(error instanceof UnknownPageKey)) throw error;
    return { ...reply, error: { code: -32_602, message: error.message } };
  }
}

function blockOf(world: World, name: string): Record<string, unknown> | null {
  const number = name === 'latest' ? world.head : name === 'finalized' ? world.finalized : Number(name);
  if (number > world.head) return null;
  return { number: hex(number), hash: hashOf(world, number), parentHash: hashOf(world, number - 1), transactions: [] };
}

function transfersOf(source: Source, asked: Record<string, unknown>): Record<string, unknown> {
  const { query, after } = asked.pageKey === undefined ? { query: asked, after: 0 } : continued(source, asked.pageKey);
  const { world, pageSize } = source;
  const contracts = new Set((query.contractAddresses as string[]).map((one) => one.toLowerCase()));
  const [from, to] = [
    Number(query.fromBlock ?? 0),
    query.toBlock === undefined || query.toBlock === 'latest' ? world.head : Number(query.toBlock),
  ];
  const matching = world.transfers.filter(
    ({ contract, block }) => contracts.has(contract) && block >= from && block <= to,
  );
  if (query.order === 'desc') matching.reverse();
  const start = Number(after);
  const end = start + Math.min(Number(query.maxCount ?? pageSize), pageSize);
  return {
    transfers: matching.slice(start, end).map(toAssetTransfer),
    ...(end < matching.length ? { pageKey: issueKey(source, query, end) } : {}),
  };
}

function toAssetTransfer({ block, logIndex, hash, contract, tokenType, from, to, tokens }: Transfer) {
  const isShared = tokenType === 'ERC1155';
  const tokenId = hex(BigInt(tokens[0]!.tokenId));
  return {
    blockNum: hex(block),
    uniqueId: `${hash}:log:${logIndex}`,
    hash,
    from,
    to,
    value: null,
    erc721TokenId: isShared ? null : tokenId,
    erc1155Metadata: isShared
      ? tokens.map((one) => ({ tokenId: hex(BigInt(one.tokenId)), value: hex(one.amount) }))
      : null,
    tokenId: isShared ? null : tokenId,
    asset: null,
    category: isShared ? 'erc1155' : 'erc721',
    rawContract: { value: null, address: contract, decimal: null },
    metadata: { blockTimestamp: timeOf(block) },
  };
}
