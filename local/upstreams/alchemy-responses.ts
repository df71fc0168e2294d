/** The responses of Alchemy's stand-in: NFT API v3 and Transfers, over its world. */
import { type Collection, type Transfer, timeOf, type World } from './world.ts';

const nftsPerPage = 100;
const ownersPerPage = 1_000;
const maxTransfers = 1_000;

export const hex = (number: number | bigint) => `0x${number.toString(16)}`;

/** The response to a call of the NFT API; undefined if there is no such operation. */
export function answerNft(
  world: World,
  operation: string,
  query: URLSearchParams,
): Record<string, unknown> | undefined {
  const contract = (query.get('contractAddress') ?? '').toLowerCase();
  const collection = world.collections.find(({ address }) => address === contract);
  switch (operation) {
    case 'getContractMetadata':
      return collection ? metadataOf(collection) : { address: contract, tokenType: 'NOT_A_CONTRACT' };
    case 'getNFTsForContract':
      return collection ? nftsOf(collection, Number(query.get('startToken') ?? 0)) : { nfts: [] };
    case 'getOwnersForContract':
      return collection ? ownersOf(world, collection, Number(query.get('pageKey') ?? 0)) : { owners: [] };
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

function ownersOf(world: World, { address, totalSupply }: Collection, start: number): Record<string, unknown> {
  const held = new Map<string, { tokenId: string; balance: number }[]>();
  for (let tokenId = 0; tokenId < totalSupply; tokenId++) {
    for (const [wallet, amount] of world.owners.get(`${address}:${tokenId}`) ?? []) {
      if (amount > 0n)
        held.set(wallet, [...(held.get(wallet) ?? []), { tokenId: String(tokenId), balance: Number(amount) }]);
    }
  }
  const all = [...held]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([ownerAddress, tokenBalances]) => ({ ownerAddress, tokenBalances }));
  const end = start + ownersPerPage;
  return { owners: all.slice(start, end), ...(end < all.length ? { pageKey: String(end) } : {}) };
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
  params: Record<string, unknown>[];
}

/** The response to a JSON-RPC call. */
export function answerRpc(world: World, { id, method, params }: Rpc): Record<string, unknown> {
  const result =
    method === 'eth_blockNumber'
      ? hex(world.head)
      : method === 'alchemy_getAssetTransfers'
        ? transfersOf(world, params[0]!)
        : undefined;
  return result === undefined
    ? { jsonrpc: '2.0', id, error: { code: -32_601, message: `Unsupported method: ${method}` } }
    : { jsonrpc: '2.0', id, result };
}

function transfersOf(world: World, filter: Record<string, unknown>): Record<string, unknown> {
  const contracts = new Set((filter.contractAddresses as string[]).map((one) => one.toLowerCase()));
  const [from, to] = [
    Number(filter.fromBlock ?? 0),
    filter.toBlock === undefined || filter.toBlock === 'latest' ? world.head : Number(filter.toBlock),
  ];
  const matching = world.transfers.filter(
    ({ contract, block }) => contracts.has(contract) && block >= from && block <= to,
  );
  if (filter.order === 'desc') matching.reverse();
  const start = Number(filter.pageKey ?? 0);
  const end = start + Math.min(Number(filter.maxCount ?? maxTransfers), maxTransfers);
  return {
    transfers: matching.slice(start, end).map(toAssetTransfer),
    ...(end < matching.length ? { pageKey: String(end) } : {}),
  };
}

function toAssetTransfer({ block, logIndex, hash, contract, from, to, tokens }: Transfer) {
  const isBatch = tokens.length > 1 || tokens[0]!.amount > 1n;
  const tokenId = hex(BigInt(tokens[0]!.tokenId));
  return {
    blockNum: hex(block),
    uniqueId: `${hash}:log:${logIndex}`,
    hash,
    from,
    to,
    value: null,
    erc721TokenId: isBatch ? null : tokenId,
    erc1155Metadata: isBatch
      ? tokens.map((one) => ({ tokenId: hex(BigInt(one.tokenId)), value: hex(one.amount) }))
      : null,
    tokenId: isBatch ? null : tokenId,
    asset: null,
    category: isBatch ? 'erc1155' : 'erc721',
    rawContract: { value: null, address: contract, decimal: null },
    metadata: { blockTimestamp: timeOf(block) },
  };
}
