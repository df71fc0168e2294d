/** The market that all stand-ins for price sources and chains share: which tokens exist, and what they cost. */
import { worldSeed } from './world.ts';

export interface Asset {
  symbol: string;
  name: string;
  coingeckoId: string;
  decimals: number;
  /** Its contracts, by chain. */
  contracts: Readonly<Record<string, string>>;
  /** The price in USD around which it moves. */
  usd: number;
}

export interface Market {
  assets: readonly Asset[];
  /** The price at a time, in USD. It moves by up to 3 % within hours and 20 % within months, and is always the same for that time. */
  priceAt(asset: Asset, timeMs: number): number;
  /** The asset of a contract, or of CoinGecko's id. */
  find(name: { chain: string; address: string } | { coingeckoId: string }): Asset | undefined;
}

const asset = (
  symbol: string,
  name: string,
  coingeckoId: string,
  decimals: number,
  usd: number,
  contracts: Record<string, string> = {},
): Asset => ({ symbol, name, coingeckoId, decimals, usd, contracts });

export const assets: readonly Asset[] = [
  asset('BTC', 'Bitcoin', 'bitcoin', 8, 96_500),
  asset('ETH', 'Ethereum', 'ethereum', 18, 3_420),
  asset('WETH', 'WETH', 'weth', 18, 3_420, {
    ethereum: '0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2',
    base: '0x4200000000000000000000000000000000000006',
  }),
  asset('WBTC', 'Wrapped Bitcoin', 'wrapped-bitcoin', 8, 96_400, {
    ethereum: '0x2260fac5e5542a773aa44fbcfedf7c193bc2c599',
  }),
  asset('USDC', 'USDC', 'usd-coin', 6, 1, {
    ethereum: '0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48',
    base: '0x833589fcd6edb6e08f4c7c32d4f71b54bda02913',
  }),
  asset('UNI', 'Uniswap', 'uniswap', 18, 9.2, { ethereum: '0x1f9840a85d5af5bf1d1762f925bdaddc4201f984' }),
  asset('LINK', 'Chainlink', 'chainlink', 18, 15.1, { ethereum: '0x514910771af9ca656af840dff83e8264ecf986ca' }),
  asset('AAVE', 'Aave', 'aave', 18, 168, { ethereum: '0x7fc66500c84a76ad7e9c93437bfc5ac33e2ddae9' }),
  asset('CRV', 'Curve DAO', 'curve-dao-token', 18, 0.41, { ethereum: '0xd533a949740bb3306d119cc777fa900ba034cd52' }),
  asset('AERO', 'Aerodrome', 'aerodrome-finance', 18, 1.24, { base: '0x940181a94a35a4569e4529a3cdfb74e38fd98631' }),
  asset('HUNT', 'HUNT', 'hunt-token', 18, 0.23, {
    ethereum: '0x9aab071b4129b083b01cb5a0cb513ce7eca26fa5',
    base: '0x37f0c2915cecc7e977183b8543fc0864d03e064c',
  }),
  asset('DEGEN', 'Degen', 'degen-base', 18, 0.0036, { base: '0x4ed4e862860bed51a9570b96d89af5e1b0efefed' }),
];

const hourMs = 3_600_000;

/** Creates the market of a seed. */
export function createMarket(seed = worldSeed): Market {
  return {
    assets,
    priceAt({ symbol, usd }, timeMs) {
      if (symbol === 'USDC') return usd;
      // equal for what wraps another
      const phase = [...symbol.replace(/^W/, '')].reduce((sum, one) => sum * 31 + one.charCodeAt(0), seed) % 1_000;
      const wave = (hours: number) => Math.sin((timeMs / hourMs / hours) * 2 * Math.PI + phase * hours);
      return Number((usd * (1 + 0.02 * wave(7) + 0.01 * wave(1.3) + 0.2 * wave(2_400))).toPrecision(12));
    },
    find(name) {
      if ('coingeckoId' in name) return assets.find(({ coingeckoId }) => coingeckoId === name.coingeckoId);
      const address = name.address.toLowerCase();
      return assets.find(({ contracts }) => contracts[name.chain] === address);
    },
  };
}
