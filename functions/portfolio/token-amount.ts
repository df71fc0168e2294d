/** An amount in a token's smallest unit as a decimal string of whole tokens. Exact. `decimals` is 0 to 77. */
export function toDecimal(amount: bigint, decimals: number): string {
  if (decimals === 0) return amount.toString();
  const digits = amount.toString().padStart(decimals + 1, '0');
  return `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
}
