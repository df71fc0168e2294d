/** Contract calls by hand: selectors, and words of 32 bytes. Hex strings have no `0x` here. */

export const selectors = {
  aggregate3: '82ad56cb',
  getBlockNumber: '42cbb15c',
  balanceOf: '70a08231',
  decimals: '313ce567',
  ownerToNFTokenIdList: '8bf9d84c',
  ownerOf: '6352211e',
  lockedOfNft: 'b45a3c0e',
  balanceOfNft: 'e7e242d4',
  lockedOfAccount: 'cbf9fe5f',
} as const;

const wordLength = 64;

export function word(value: bigint | number | boolean): string {
  return BigInt.asUintN(256, BigInt(value)).toString(16).padStart(wordLength, '0');
}

/** The word at an index. */
export function wordAt(data: string, index: number): bigint {
  return BigInt(`0x${data.slice(index * wordLength, (index + 1) * wordLength) || '0'}`);
}

/** An address in a word, `0x…`. */
export function addressAt(data: string, index: number): string {
  return `0x${data.slice(index * wordLength + 24, (index + 1) * wordLength)}`;
}

const bytes = (data: string) =>
  word(data.length / 2) + data.padEnd(Math.ceil(data.length / wordLength) * wordLength, '0');

/** The calls in the arguments of `aggregate3((address target, bool allowFailure, bytes callData)[])`. */
export function decodeAggregate3(args: string): { target: string; data: string }[] {
  const list = args.slice(Number(wordAt(args, 0)) * 2);
  const items = list.slice(wordLength);
  return Array.from({ length: Number(wordAt(list, 0)) }, (_, i) => {
    const call = items.slice(Number(wordAt(items, i)) * 2);
    const data = call.slice(Number(wordAt(call, 2)) * 2);
    return { target: addressAt(call, 0), data: data.slice(wordLength, wordLength + Number(wordAt(data, 0)) * 2) };
  });
}

/** What `aggregate3` returns: `(bool success, bytes returnData)[]`. Undefined: the call reverted. */
export function encodeAggregate3(results: readonly (string | undefined)[]): string {
  const items = results.map((data) => word(data !== undefined) + word(64) + bytes(data ?? ''));
  let offset = results.length * 32;
  const offsets = items.map((item) => {
    const at = word(offset);
    offset += item.length / 2;
    return at;
  });
  return word(32) + word(results.length) + offsets.join('') + items.join('');
}
