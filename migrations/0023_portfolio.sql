-- Up Migration
-- The tables of the portfolio domain: wallets, tokens, balances, positions, locks, and prices and values over time.
create schema portfolio;

-- The canonical name of a token: `base:0x…`, `base:hunt`, or `btc` for an asset of no chain.
create function portfolio.token_key(chain text, address bytea, symbol text) returns text language sql immutable as $$
  select coalesce(chain || ':', '') || coalesce('0x' || encode(address, 'hex'), lower(symbol))
$$;

create table portfolio.tokens (
  id integer generated always as identity primary key,
  key text not null generated always as (portfolio.token_key(chain, address, symbol)) stored unique,
  chain text check (chain ~ '^[a-z0-9-]{1,32}$'),
  address bytea check (length(address) = 20),
  symbol text,
  name text,
  decimals smallint check (decimals between 0 and 77),
  coingecko_id text,
  -- since when its sources disagree by more than 5 %; null: they do not
  disputed_since timestamptz,
  check (address is null or chain is not null),
  check (address is not null or symbol is not null)
);

create table portfolio.wallets (
  id integer generated always as identity primary key,
  address bytea not null unique check (length(address) = 20),
  label text,
  -- syncs read its balances, and its value is recorded every five minutes
  is_tracked boolean not null default false,
  created_at timestamptz not null default now()
);

create function portfolio.wallet_name(address bytea) returns text language sql immutable as $$
  select '0x' || encode(address, 'hex')
$$;

-- The latest balance of each token in a wallet. Zero is a balance; no row means that nobody ever looked.
create table portfolio.token_balances (
  wallet_id integer not null references portfolio.wallets,
  token_id integer not null references portfolio.tokens,
  balance numeric not null check (balance >= 0),
  -- when it was last observed, and in which block
  as_of timestamptz not null,
  block bigint check (block >= 0),
  -- when the token was first observed in the wallet
  since timestamptz not null,
  primary key (wallet_id, token_id),
  check (since <= as_of)
) partition by hash (wallet_id);
do $$ begin
  for i in 0..7 loop
    execute format('create table portfolio.token_balances_%1$s partition of portfolio.token_balances for values with (modulus 8, remainder %1$s)', i);
  end loop;
end $$;
create index token_balances_by_token on portfolio.token_balances (token_id, balance desc, wallet_id);

-- Every change of a balance: what a wallet held as of an instant is its last row up to then. It is kept whole, because a
-- balance that has not changed for years is found by one step in one index. Later observations of the same balance are no
-- rows: `confirmed_at` has their times, at most one a day. An older, different observation may arrive between them.
create table portfolio.balance_changes (
  wallet_id integer not null references portfolio.wallets,
  token_id integer not null references portfolio.tokens,
  as_of timestamptz not null,
  balance numeric not null check (balance >= 0),
  block bigint check (block >= 0),
  -- in order, all after as_of; null: none
  confirmed_at timestamptz[] check (as_of < all (confirmed_at)),
  primary key (wallet_id, token_id, as_of)
);

-- Prices in USD. A candle's row stands for the time at which it closed; of a price at one instant, open, high and low are null.
create table portfolio.price_snapshots (
  token_id integer not null references portfolio.tokens,
  recorded_at timestamptz not null check (date_trunc('milliseconds', recorded_at, 'UTC') = recorded_at),
  price_usd numeric not null check (price_usd >= 0),
  open_usd numeric check (open_usd >= 0),
  high_usd numeric check (high_usd >= 0),
  low_usd numeric check (low_usd >= 0),
  volume_usd numeric check (volume_usd >= 0),
  market_cap_usd numeric check (market_cap_usd >= 0),
  source text not null check (source in ('defillama', 'coingecko', 'alchemy', 'import')),
  primary key (token_id, recorded_at)
) partition by range (recorded_at);
select platform.create_tiers('portfolio', 'price_snapshots', 'token_id', 'recorded_at');

create table portfolio.latest_prices (
  token_id integer primary key references portfolio.tokens,
  recorded_at timestamptz not null,
  price_usd numeric not null,
  source text not null,
  -- of its earliest price
  first_recorded_at timestamptz not null
);

-- The value of a wallet at a time: of the tokens that had a price, and how many had none.
create table portfolio.portfolio_snapshots (
  wallet_id integer not null references portfolio.wallets,
  captured_at timestamptz not null check (date_trunc('milliseconds', captured_at, 'UTC') = captured_at),
  value_usd numeric not null check (value_usd >= 0),
  priced_tokens integer not null check (priced_tokens >= 0),
  unpriced_tokens integer not null check (unpriced_tokens >= 0),
  primary key (wallet_id, captured_at)
) partition by range (captured_at);
select platform.create_tiers('portfolio', 'portfolio_snapshots', 'wallet_id', 'captured_at');

-- The latest value of each wallet, and since when there are values.
create table portfolio.latest_values (
  wallet_id integer primary key references portfolio.wallets,
  first_captured_at timestamptz not null,
  captured_at timestamptz not null,
  value_usd numeric not null,
  priced_tokens integer not null,
  unpriced_tokens integer not null
);

-- An asset that moved a wallet's value by more than 20 % between two snapshots.
create table portfolio.value_moves (
  wallet_id integer not null references portfolio.wallets,
  captured_at timestamptz not null,
  token_id integer not null references portfolio.tokens,
  before_usd numeric not null,
  after_usd numeric not null,
  sources text[] not null,
  primary key (wallet_id, captured_at, token_id)
);

-- What a wallet has put into a protocol. A lock's position has the lock's id; its owner may be unknown.
create table portfolio.positions (
  id integer generated always as identity primary key,
  protocol text not null,
  chain text not null,
  external_id text not null,
  kind text not null check (kind in ('lock', 'liquidity', 'staking', 'lending')),
  wallet_id integer references portfolio.wallets,
  token_id integer references portfolio.tokens,
  unique (protocol, chain, external_id)
);
create index positions_by_wallet on portfolio.positions (wallet_id);

create table portfolio.position_snapshots (
  position_id integer not null references portfolio.positions,
  captured_at timestamptz not null check (date_trunc('milliseconds', captured_at, 'UTC') = captured_at),
  amount numeric not null check (amount >= 0),
  value_usd numeric check (value_usd >= 0),
  unlock_at timestamptz,
  primary key (position_id, captured_at)
) partition by range (captured_at);
select platform.create_tiers('portfolio', 'position_snapshots', 'position_id', 'captured_at');

-- The latest snapshot of each position.
create table portfolio.latest_positions (
  position_id integer primary key references portfolio.positions,
  first_captured_at timestamptz not null,
  captured_at timestamptz not null,
  amount numeric not null,
  value_usd numeric,
  unlock_at timestamptz
);

-- Governance locks as of their last observation.
create table portfolio.governance_locks (
  position_id integer primary key references portfolio.positions,
  amount numeric not null check (amount >= 0),
  -- null: permanent
  unlock_at timestamptz,
  -- the voting power at that time, where the source says it
  voting_power numeric check (voting_power >= 0),
  as_of timestamptz not null,
  block bigint check (block >= 0)
);

create table portfolio.asset_correlations (
  timeframe text not null check (timeframe in ('30d', '90d')),
  token_id integer not null references portfolio.tokens,
  other_token_id integer not null references portfolio.tokens,
  correlation double precision not null check (correlation between -1.0000001 and 1.0000001),
  -- the days on which both had a return
  days integer not null check (days > 1),
  computed_at timestamptz not null,
  primary key (timeframe, token_id, other_token_id),
  check (token_id < other_token_id)
);

create table portfolio.wallet_risks (
  wallet_id integer not null references portfolio.wallets,
  timeframe text not null check (timeframe in ('30d', '90d')),
  -- of daily log returns, a year of 365 days
  volatility double precision,
  max_drawdown double precision check (max_drawdown between 0 and 1),
  days integer not null check (days >= 0),
  computed_at timestamptz not null,
  primary key (wallet_id, timeframe)
);

-- A new price is the latest if no later one is known.
create function portfolio.on_prices() returns trigger language plpgsql as $$
declare
  changed integer[];
begin
  if tg_op = 'DELETE' then
    select array_agg(distinct token_id) into changed from old_rows;
  else
    if tg_op = 'INSERT' then
      select array_agg(distinct token_id) into changed from new_rows;
    else
      select array_agg(distinct token_id) into changed from (table new_rows union all table old_rows) as rows;
    end if;
    insert into portfolio.latest_prices as l (token_id, recorded_at, price_usd, source, first_recorded_at)
    select distinct on (token_id) token_id, recorded_at, price_usd, source, min(recorded_at) over (partition by token_id)
    from new_rows order by token_id, recorded_at desc
    on conflict (token_id) do update
      set recorded_at = excluded.recorded_at, price_usd = excluded.price_usd, source = excluded.source
      where excluded.recorded_at >= l.recorded_at
        and (excluded.recorded_at, excluded.price_usd, excluded.source) is distinct from (l.recorded_at, l.price_usd, l.source);
    update portfolio.latest_prices l set first_recorded_at = n.first
    from (select token_id, min(recorded_at) as first from new_rows group by token_id) n
    where l.token_id = n.token_id and n.first < l.first_recorded_at;
  end if;
  if changed is null then return null; end if;
  perform platform.announce('price_recorded',
    'token-prices:all'::text || (select array_agg('tokens:' || key) from portfolio.tokens where id = any(changed)));
  return null;
end $$;

create trigger announce_inserted after insert on portfolio.price_snapshots
  referencing new table as new_rows for each statement execute function portfolio.on_prices();
create trigger announce_updated after update on portfolio.price_snapshots
  referencing old table as old_rows new table as new_rows for each statement execute function portfolio.on_prices();
create trigger announce_deleted after delete on portfolio.price_snapshots
  referencing old table as old_rows for each statement execute function portfolio.on_prices();
create trigger announce_inserted after insert on portfolio.price_snapshots_late
  referencing new table as new_rows for each statement execute function portfolio.on_prices();
create trigger announce_updated after update on portfolio.price_snapshots_late
  referencing old table as old_rows new table as new_rows for each statement execute function portfolio.on_prices();
create trigger announce_deleted after delete on portfolio.price_snapshots_late
  referencing old table as old_rows for each statement execute function portfolio.on_prices();

create function portfolio.on_tokens() returns trigger language plpgsql as $$
declare
  changes text := case tg_op when 'INSERT' then 'table new_rows' when 'DELETE' then 'table old_rows'
    else 'table new_rows except table old_rows union (table old_rows except table new_rows)' end;
  changed text[];
begin
  execute format('select array_agg(''tokens:'' || key) from (%s) as change', changes) into changed;
  if changed is null then return null; end if;
  perform platform.announce('token_changed', 'token-list:all'::text || changed);
  return null;
end $$;
create trigger announce_inserted after insert on portfolio.tokens
  referencing new table as new_rows for each statement execute function portfolio.on_tokens();
create trigger announce_updated after update on portfolio.tokens
  referencing old table as old_rows new table as new_rows for each statement execute function portfolio.on_tokens();
create trigger announce_deleted after delete on portfolio.tokens
  referencing old table as old_rows for each statement execute function portfolio.on_tokens();

-- What names a wallet by its id: balances, values, positions.
create function portfolio.on_wallet_rows() returns trigger language plpgsql as $$
declare
  changes text := case tg_op when 'INSERT' then 'table new_rows' when 'DELETE' then 'table old_rows'
    else 'table new_rows union all table old_rows' end;
  changed text[];
begin
  execute format('select array_agg(distinct ''portfolios:'' || portfolio.wallet_name(w.address))
    from (%s) as change join portfolio.wallets w on w.id = change.wallet_id', changes) into changed;
  if changed is null then return null; end if;
  perform platform.announce(tg_argv[0], case when tg_table_name like 'token_balances%' then text 'portfolio-list:all' end || changed);
  return null;
end $$;
create trigger announce_inserted after insert on portfolio.token_balances
  referencing new table as new_rows for each statement execute function portfolio.on_wallet_rows('balance_changed');
create trigger announce_updated after update on portfolio.token_balances
  referencing old table as old_rows new table as new_rows for each statement execute function portfolio.on_wallet_rows('balance_changed');
create trigger announce_deleted after delete on portfolio.token_balances
  referencing old table as old_rows for each statement execute function portfolio.on_wallet_rows('balance_changed');
create trigger announce_inserted after insert on portfolio.balance_changes
  referencing new table as new_rows for each statement execute function portfolio.on_wallet_rows('balance_changed');
create trigger announce_updated after update on portfolio.balance_changes
  referencing old table as old_rows new table as new_rows for each statement execute function portfolio.on_wallet_rows('balance_changed');
create trigger announce_deleted after delete on portfolio.balance_changes
  referencing old table as old_rows for each statement execute function portfolio.on_wallet_rows('balance_changed');
create trigger announce_inserted after insert on portfolio.portfolio_snapshots
  referencing new table as new_rows for each statement execute function portfolio.on_wallet_rows('portfolio_valued');
create trigger announce_updated after update on portfolio.portfolio_snapshots
  referencing old table as old_rows new table as new_rows for each statement execute function portfolio.on_wallet_rows('portfolio_valued');
create trigger announce_deleted after delete on portfolio.portfolio_snapshots
  referencing old table as old_rows for each statement execute function portfolio.on_wallet_rows('portfolio_valued');
create trigger announce_inserted after insert on portfolio.portfolio_snapshots_late
  referencing new table as new_rows for each statement execute function portfolio.on_wallet_rows('portfolio_valued');
create trigger announce_updated after update on portfolio.portfolio_snapshots_late
  referencing old table as old_rows new table as new_rows for each statement execute function portfolio.on_wallet_rows('portfolio_valued');
create trigger announce_deleted after delete on portfolio.portfolio_snapshots_late
  referencing old table as old_rows for each statement execute function portfolio.on_wallet_rows('portfolio_valued');
create trigger announce_inserted after insert on portfolio.value_moves
  referencing new table as new_rows for each statement execute function portfolio.on_wallet_rows('portfolio_valued');
create trigger announce_updated after update on portfolio.value_moves
  referencing old table as old_rows new table as new_rows for each statement execute function portfolio.on_wallet_rows('portfolio_valued');
create trigger announce_deleted after delete on portfolio.value_moves
  referencing old table as old_rows for each statement execute function portfolio.on_wallet_rows('portfolio_valued');
create trigger announce_inserted after insert on portfolio.wallet_risks
  referencing new table as new_rows for each statement execute function portfolio.on_wallet_rows('portfolio_valued');
create trigger announce_updated after update on portfolio.wallet_risks
  referencing old table as old_rows new table as new_rows for each statement execute function portfolio.on_wallet_rows('portfolio_valued');
create trigger announce_deleted after delete on portfolio.wallet_risks
  referencing old table as old_rows for each statement execute function portfolio.on_wallet_rows('portfolio_valued');
create trigger announce_inserted after insert on portfolio.positions
  referencing new table as new_rows for each statement execute function portfolio.on_wallet_rows('position_changed');
create trigger announce_updated after update on portfolio.positions
  referencing old table as old_rows new table as new_rows for each statement execute function portfolio.on_wallet_rows('position_changed');
create trigger announce_deleted after delete on portfolio.positions
  referencing old table as old_rows for each statement execute function portfolio.on_wallet_rows('position_changed');

create function portfolio.on_wallets() returns trigger language plpgsql as $$
declare
  changes text := case tg_op when 'INSERT' then 'table new_rows' when 'DELETE' then 'table old_rows'
    else 'table new_rows except table old_rows union (table old_rows except table new_rows)' end;
  changed text[];
begin
  execute format('select array_agg(''portfolios:'' || portfolio.wallet_name(address)) from (%s) as change', changes) into changed;
  if changed is null then return null; end if;
  perform platform.announce('balance_changed', 'portfolio-list:all'::text || changed);
  return null;
end $$;
create trigger announce_inserted after insert on portfolio.wallets
  referencing new table as new_rows for each statement execute function portfolio.on_wallets();
create trigger announce_updated after update on portfolio.wallets
  referencing old table as old_rows new table as new_rows for each statement execute function portfolio.on_wallets();
create trigger announce_deleted after delete on portfolio.wallets
  referencing old table as old_rows for each statement execute function portfolio.on_wallets();

-- What names a position by its id: its snapshots and locks.
create function portfolio.on_position_rows() returns trigger language plpgsql as $$
declare
  changes text := case tg_op when 'INSERT' then 'table new_rows' when 'DELETE' then 'table old_rows'
    else 'table new_rows union all table old_rows' end;
  changed text[];
begin
  execute format('select array_agg(distinct ''portfolios:'' || portfolio.wallet_name(w.address))
    from (%s) as change join portfolio.positions p on p.id = change.position_id
      join portfolio.wallets w on w.id = p.wallet_id', changes) into changed;
  if changed is null then return null; end if;
  perform platform.announce('position_changed', changed);
  return null;
end $$;
create trigger announce_inserted after insert on portfolio.position_snapshots
  referencing new table as new_rows for each statement execute function portfolio.on_position_rows();
create trigger announce_updated after update on portfolio.position_snapshots
  referencing old table as old_rows new table as new_rows for each statement execute function portfolio.on_position_rows();
create trigger announce_deleted after delete on portfolio.position_snapshots
  referencing old table as old_rows for each statement execute function portfolio.on_position_rows();
create trigger announce_inserted after insert on portfolio.position_snapshots_late
  referencing new table as new_rows for each statement execute function portfolio.on_position_rows();
create trigger announce_updated after update on portfolio.position_snapshots_late
  referencing old table as old_rows new table as new_rows for each statement execute function portfolio.on_position_rows();
create trigger announce_deleted after delete on portfolio.position_snapshots_late
  referencing old table as old_rows for each statement execute function portfolio.on_position_rows();
create trigger announce_inserted after insert on portfolio.governance_locks
  referencing new table as new_rows for each statement execute function portfolio.on_position_rows();
create trigger announce_updated after update on portfolio.governance_locks
  referencing old table as old_rows new table as new_rows for each statement execute function portfolio.on_position_rows();
create trigger announce_deleted after delete on portfolio.governance_locks
  referencing old table as old_rows for each statement execute function portfolio.on_position_rows();

-- A new snapshot is the latest if no later one is known.
create function portfolio.on_position_snapshots() returns trigger language plpgsql as $$
begin
  insert into portfolio.latest_positions as l (position_id, first_captured_at, captured_at, amount, value_usd, unlock_at)
  select distinct on (position_id) position_id, min(captured_at) over (partition by position_id), captured_at, amount, value_usd,
    unlock_at
  from new_rows order by position_id, captured_at desc
  on conflict (position_id) do update set first_captured_at = least(l.first_captured_at, excluded.first_captured_at), captured_at = greatest(l.captured_at, excluded.captured_at),
    amount = case when excluded.captured_at >= l.captured_at then excluded.amount else l.amount end,
    value_usd = case when excluded.captured_at >= l.captured_at then excluded.value_usd else l.value_usd end,
    unlock_at = case when excluded.captured_at >= l.captured_at then excluded.unlock_at else l.unlock_at end
    where excluded.captured_at >= l.captured_at or excluded.first_captured_at < l.first_captured_at;
  return null;
end $$;
create function portfolio.on_portfolio_snapshots() returns trigger language plpgsql as $$
begin
  insert into portfolio.latest_values as l (wallet_id, first_captured_at, captured_at, value_usd, priced_tokens, unpriced_tokens)
  select distinct on (wallet_id) wallet_id, min(captured_at) over (partition by wallet_id), captured_at, value_usd,
    priced_tokens, unpriced_tokens
  from new_rows order by wallet_id, captured_at desc
  on conflict (wallet_id) do update set first_captured_at = least(l.first_captured_at, excluded.first_captured_at), captured_at = greatest(l.captured_at, excluded.captured_at),
    value_usd = case when excluded.captured_at >= l.captured_at then excluded.value_usd else l.value_usd end,
    priced_tokens = case when excluded.captured_at >= l.captured_at then excluded.priced_tokens else l.priced_tokens end,
    unpriced_tokens = case when excluded.captured_at >= l.captured_at then excluded.unpriced_tokens else l.unpriced_tokens end
    where excluded.captured_at >= l.captured_at or excluded.first_captured_at < l.first_captured_at;
  return null;
end $$;
create trigger find_latest_inserted after insert on portfolio.position_snapshots
  referencing new table as new_rows for each statement execute function portfolio.on_position_snapshots();
create trigger find_latest_updated after update on portfolio.position_snapshots
  referencing new table as new_rows for each statement execute function portfolio.on_position_snapshots();
create trigger find_latest_inserted after insert on portfolio.position_snapshots_late
  referencing new table as new_rows for each statement execute function portfolio.on_position_snapshots();
create trigger find_latest_updated after update on portfolio.position_snapshots_late
  referencing new table as new_rows for each statement execute function portfolio.on_position_snapshots();

create trigger find_latest_inserted after insert on portfolio.portfolio_snapshots
  referencing new table as new_rows for each statement execute function portfolio.on_portfolio_snapshots();
create trigger find_latest_updated after update on portfolio.portfolio_snapshots
  referencing new table as new_rows for each statement execute function portfolio.on_portfolio_snapshots();
create trigger find_latest_inserted after insert on portfolio.portfolio_snapshots_late
  referencing new table as new_rows for each statement execute function portfolio.on_portfolio_snapshots();
create trigger find_latest_updated after update on portfolio.portfolio_snapshots_late
  referencing new table as new_rows for each statement execute function portfolio.on_portfolio_snapshots();

create function portfolio.on_correlations() returns trigger language plpgsql as $$
begin
  perform platform.announce('correlations_computed', array['asset-correlations:all']);
  return null;
end $$;
create trigger announce_changed after insert or update or delete on portfolio.asset_correlations
  for each statement execute function portfolio.on_correlations();

-- Down Migration
drop schema portfolio cascade;
delete from platform.tiers where name like 'portfolio.%';
