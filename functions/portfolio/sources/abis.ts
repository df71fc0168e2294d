/** The functions of contracts that are called. */
import type { Abi, AbiParameter } from 'viem';

const parameters = (types: readonly string[]): AbiParameter[] => types.map((type) => ({ type, name: '' }));
const view = (name: string, inputs: readonly string[], outputs: readonly string[]) =>
  ({
    type: 'function',
    stateMutability: 'view',
    name,
    inputs: parameters(inputs),
    outputs: parameters(outputs),
  }) as const;

export const erc20: Abi = [view('balanceOf', ['address'], ['uint256']), view('decimals', [], ['uint8'])];

/** A lock is an NFT. `locked`: amount, end, whether it is permanent. @source Aerodrome's VotingEscrow */
export const veAero: Abi = [
  view('balanceOf', ['address'], ['uint256']),
  view('ownerToNFTokenIdList', ['address', 'uint256'], ['uint256']),
  view('ownerOf', ['uint256'], ['address']),
  view('locked', ['uint256'], ['int128', 'uint256', 'bool']),
  view('balanceOfNFT', ['uint256'], ['uint256']),
];

/** Each account has one lock, which nobody can transfer. `locked`: amount, end. @source Curve's VotingEscrow */
export const veCrv: Abi = [
  view('locked', ['address'], ['int128', 'uint256']),
  view('balanceOf', ['address'], ['uint256']),
];

export const multicall3: Abi = [view('getBlockNumber', [], ['uint256'])];
