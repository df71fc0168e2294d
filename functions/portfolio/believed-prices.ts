/** Which quotes count as prices, and when two of them disagree. Pure. */
import type { Quote } from './sources/quotes.ts';

/** A quote that is older than this when it arrives is not a price. */
export const maxPriceAgeMinutes = 60;
/** By how much a source's clock may be ahead of ours. */
const maxClockDifferenceMinutes = 5;
/** DefiLlama's own measure of the liquidity behind a price. */
export const minConfidence = 0.9;
/** By how much the higher of two prices may exceed the lower one. */
export const maxDeviation = 0.05;

const minuteMs = 60_000;

/**
 * Whether a quote counts as a price at a time. A price of zero does not: no source can tell worthless from unknown. From
 * DefiLlama, neither does one without a confidence.
 */
export function isBelieved({ source, priceUsd, quotedAt, confidence }: Quote, nowMs: number): boolean {
  const ageMinutes = (nowMs - quotedAt.getTime()) / minuteMs;
  const isConfident = source !== 'defillama' || (confidence ?? 0) >= minConfidence;
  return (
    isConfident &&
    ageMinutes <= maxPriceAgeMinutes &&
    ageMinutes >= -maxClockDifferenceMinutes &&
    /[1-9]/.test(priceUsd.split(/e/i)[0]!)
  );
}
