/**
 * The warehouse's world: moments, the wallets that hold them, editions and their prices; the same for the same size.
 * Columns are typed arrays, so that a million moments fit in little memory. Changes are made in place.
 */

export interface MomentsSize {
  moments: number;
  wallets: number;
  editions: number;
  /** Price scrapes of each edition. */
  scrapes: number;
}

/** A row as the API returns it: one text per column. */
export type WarehouseRow = (string | null)[];

export interface WarehouseTable {
  columns: { name: string; type: string; scale?: number; nullable: boolean }[];
  /** The table as it is now; later changes do not show. */
  open(): OpenTable;
}

/** The rows of a table at one time. */
export interface OpenTable {
  count: number;
  /** A row by its place in the order of the sync's statement. */
  row(place: number): WarehouseRow;
  /** Whether a row changed at or after a time, in microseconds since 1970. */
  changedSince(place: number, micros: bigint): boolean;
}

export interface MomentsWorld {
  tables: Map<string, WarehouseTable>;
  wallets: string[];
  /** How many there are. */
  moments: number;
  editions: number;
  /**
   * Moves a moment to another wallet, now or at a time in microseconds since 1970; returns its id. The warehouse records
   * it at the same time, or at `recordedMicros`.
   */
  trade(moment: number, wallet: number, micros?: number, recordedMicros?: number): number;
  /** Removes a moment from the table of holdings. */
  remove(moment: number): void;
  /** Scrapes the price of one edition, or of all. */
  scrape(edition?: number): void;
}

const tiers = [
  { tier: 'COMMON', upTo: 0.72, price: 4 },
  { tier: 'UNCOMMON', upTo: 0.86, price: 12 },
  { tier: 'RARE', upTo: 0.96, price: 55 },
  { tier: 'LEGENDARY', upTo: 0.995, price: 640 },
  { tier: 'ULTIMATE', upTo: 1, price: 9_500 },
] as const;
const teams =
  'Harbour Gulls,Ridge Foxes,Canal Herons,Foundry Bears,Meadow Larks,Quarry Goats,Lantern Owls,Orchard Wasps,Delta Otters,Summit Rams'.split(
    ',',
  );
const givenNames = 'Ada,Bo,Cleo,Dara,Eli,Fay,Gil,Hana,Ivo,Jun,Kit,Lea,Max,Nia,Odo,Pia,Quin,Rae,Sol,Tam'.split(',');
const familyNames =
  'Amsel,Brook,Castor,Drake,Ember,Fallow,Garnet,Hollis,Ingram,Jarrow,Kestrel,Linden,Marlow,Norrel,Orme,Pike'.split(',');
const setNames =
  'Opening Night,Home Stand,Under the Lights,Fast Break,Last Second,Road Trip,Rookie Year,Hall of Fame'.split(',');
const setsCount = 24;
const firstMicros = Date.UTC(2024, 0, 1) * 1_000;
const lastMicros = Date.UTC(2026, 9, 1) * 1_000;

export function createMomentsWorld({ moments, wallets, editions, scrapes }: MomentsSize): MomentsWorld {
  const random = generator(42);
  const walletNames = Array.from({ length: wallets }, (_, i) => addressOf(i)).sort();
  const catalogue = Array.from({ length: editions }, (_, i) => createEdition(i, random));
  const owner = new Int32Array(moments);
  const edition = new Int32Array(moments);
  const serial = new Int32Array(moments);
  const locked = new Uint8Array(moments);
  const event = new Float64Array(moments);
  const updated = new Float64Array(moments);
  const minted = new Int32Array(editions);
  for (let i = 0; i < moments; i++) {
    // a few wallets hold much, and a few editions are large
    owner[i] = Math.floor(wallets * random() ** 3);
    edition[i] = Math.floor(editions * random() ** 2);
    serial[i] = ++minted[edition[i]!]!;
    locked[i] = random() < 0.3 ? 1 : 0;
    event[i] = Math.floor(firstMicros + random() * (lastMicros - firstMicros));
    updated[i] = event[i]! + 60_000_000;
  }
  const gone = new Set<number>();
  const prices: { edition: number; micros: number; floor: number; sale: number; count: number }[] = [];
  const level = catalogue.map(({ price }) => price);
  const scrapeOne = (one: number, micros: number) => {
    level[one] = Math.max(0.5, level[one]! * (0.94 + random() * 0.125));
    prices.push({
      edition: one,
      micros,
      floor: level[one]!,
      sale: level[one]! * 1.2,
      count: Math.floor(random() * 40),
    });
  };
  for (let i = 0; i < scrapes; i++)
    for (let e = 0; e < editions; e++) scrapeOne(e, lastMicros - (scrapes - i) * 86_400_000_000);

  // the order of the statement: wallet, then moment; computed again after a trade
  let order: Float64Array | undefined;
  const inOrder = () => {
    if (order) return order;
    const keys = new Float64Array(moments - gone.size);
    for (let i = 0, at = 0; i < moments; i++) if (!gone.has(i)) keys[at++] = owner[i]! * moments + i;
    order = keys.sort();
    return order;
  };
  const now = () => Date.now() * 1_000;

  const tables = new Map<string, WarehouseTable>([
    [
      'WALLET_HOLDINGS',
      {
        columns: [
          text('WALLET_ADDRESS'),
          fixed('NFT_ID'),
          { name: 'IS_LOCKED', type: 'boolean', nullable: false },
          time('LAST_EVENT_TS', 9),
          time('UPDATED_AT', 6),
        ],
        open() {
          const places = inOrder();
          const [owners, locks, events, updates] = [owner.slice(), locked.slice(), event.slice(), updated.slice()];
          const momentAt = (place: number) => places[place]! % moments;
          return {
            count: places.length,
            row(place) {
              const i = momentAt(place);
              return [
                walletNames[owners[i]!]!,
                String(i + 1),
                locks[i] ? 'true' : 'false',
                secondsOf(events[i]!, 9),
                secondsOf(updates[i]!, 6),
              ];
            },
            changedSince: (place, micros) => BigInt(updates[momentAt(place)]!) >= micros,
          };
        },
      },
    ],
    [
      'NFT_CORE_METADATA',
      {
        columns: [
          fixed('NFT_ID'),
          fixed('SET_ID'),
          fixed('PLAY_ID'),
          fixed('SERIAL_NUMBER'),
          text('SET_NAME', true),
          text('TIER', true),
          text('PLAYER_NAME', true),
          text('TEAM_NAME', true),
          time('UPDATED_AT', 3),
        ],
        open: () => ({
          count: moments,
          row(i) {
            const one = catalogue[edition[i]!]!;
            return [
              String(i + 1),
              String(one.setId),
              String(one.playId),
              String(serial[i]),
              one.setName,
              one.tier,
              one.playerName,
              one.teamName,
              secondsOf(firstMicros, 3),
            ];
          },
          changedSince: (_, micros) => BigInt(firstMicros) >= micros,
        }),
      },
    ],
    [
      'EDITION_PRICE_SCRAPE',
      {
        columns: [
          fixed('SET_ID'),
          fixed('PLAY_ID'),
          time('SCRAPED_AT', 0),
          fixed('FLOOR_USD', 2),
          fixed('AVERAGE_SALE_USD', 2),
          fixed('SALE_COUNT'),
        ],
        open: () => ({
          count: prices.length,
          row(i) {
            const { edition: e, micros, floor, sale, count } = prices[i]!;
            return [
              String(catalogue[e]!.setId),
              String(catalogue[e]!.playId),
              secondsOf(micros, 0),
              floor.toFixed(2),
              sale.toFixed(2),
              String(count),
            ];
          },
          changedSince: (i, micros) => BigInt(prices[i]!.micros) >= micros,
        }),
      },
    ],
    [
      'WALLET_PROFILES',
      {
        columns: [text('WALLET_ADDRESS'), text('DISPLAY_NAME'), time('UPDATED_AT', 6)],
        open: () => ({
          count: Math.ceil(wallets / 2),
          row: (i) => [walletNames[i * 2]!, profileName(i), secondsOf(firstMicros, 6)],
          changedSince: (_, micros) => BigInt(firstMicros) >= micros,
        }),
      },
    ],
  ]);
  return {
    tables,
    wallets: walletNames,
    moments,
    editions,
    trade(moment, wallet, micros = now(), recordedMicros = micros) {
      owner[moment] = wallet;
      locked[moment] = 0;
      event[moment] = micros;
      updated[moment] = recordedMicros;
      order = undefined;
      return moment + 1;
    },
    remove(moment) {
      gone.add(moment);
      order = undefined;
    },
    scrape(one) {
      const micros = Math.floor(now() / 1_000_000) * 1_000_000;
      if (one !== undefined) return scrapeOne(one, micros);
      for (let e = 0; e < editions; e++) scrapeOne(e, micros);
    },
  };
}

const text = (name: string, nullable = false) => ({ name, type: 'text', nullable });
const fixed = (name: string, scale = 0) => ({ name, type: 'fixed', scale, nullable: false });
const time = (name: string, scale: number) => ({ name, type: 'timestamp_ntz', scale, nullable: false });

/** Seconds since 1970 with this many decimals, as Snowflake returns a timestamp of that precision. */
function secondsOf(micros: number, decimals: number): string {
  const seconds = Math.floor(micros / 1_000_000);
  const fraction = String(micros - seconds * 1_000_000)
    .padStart(6, '0')
    .padEnd(9, '0');
  return decimals === 0 ? String(seconds) : `${seconds}.${fraction.slice(0, decimals)}`;
}

function createEdition(i: number, random: () => number) {
  const draw = random();
  const found = tiers.find(({ upTo }) => draw < upTo) ?? tiers[0];
  const given = givenNames[i % givenNames.length]!;
  const family = familyNames[Math.floor(i / givenNames.length) % familyNames.length]!;
  return {
    setId: (i % setsCount) + 1,
    playId: i + 1,
    setName: `${setNames[i % setNames.length]} ${Math.floor((i % setsCount) / setNames.length) + 1}`,
    tier: found.tier,
    price: found.price * (0.6 + random()),
    playerName: `${given} ${family}`,
    teamName: teams[i % teams.length]!,
  };
}

/** An address that looks random, as real ones do. */
function addressOf(i: number): string {
  const mixed = (BigInt(i + 1) * 0x9e3779b97f4a7c15n) & 0xffffffffffffffffn;
  return `0x${mixed.toString(16).padStart(16, '0')}`;
}

function profileName(i: number): string {
  return `${givenNames[i % givenNames.length]!.toLowerCase()}_${familyNames[(i * 7) % familyNames.length]!.toLowerCase()}${i}`;
}

/** Mulberry32: numbers in [0, 1), the same for the same seed. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
