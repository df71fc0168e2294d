-- Up Migration
-- What sources of prices say of each other.

-- The last comparison of two sources, of each token that a second one was asked about.
create table portfolio.price_checks (
  token_id integer primary key references portfolio.tokens,
  checked_at timestamptz not null,
  source text not null,
  price_usd numeric not null check (price_usd > 0),
  other_source text not null,
  other_price_usd numeric not null check (other_price_usd > 0),
  -- by how much the higher price exceeds the lower one: 0.05 is 5 %
  deviation numeric not null check (deviation >= 0)
);

-- The times in which two sources disagreed by more than 5 %, with the prices of the first comparison that found it.
create table portfolio.price_disputes (
  token_id integer not null references portfolio.tokens,
  since timestamptz not null,
  -- null: they still disagree
  until timestamptz check (until >= since),
  source text not null,
  price_usd numeric not null,
  other_source text not null,
  other_price_usd numeric not null,
  primary key (token_id, since)
);

-- What each wallet held at its last snapshot, and what that was worth: for finding what moved its value by the next one.
create table portfolio.last_valuations (
  wallet_id integer primary key references portfolio.wallets,
  captured_at timestamptz not null,
  -- Three arrays of the same length. A null value: the token had no price.
  token_ids integer[] not null,
  values_usd numeric[] not null check (cardinality(values_usd) = cardinality(token_ids)),
  sources text[] not null check (cardinality(sources) = cardinality(token_ids))
);

-- Null: the asset had no price, which is not the same as being worth nothing.
alter table portfolio.value_moves alter before_usd drop not null, alter after_usd drop not null,
  add check (before_usd is not null or after_usd is not null);

-- Down Migration
delete from portfolio.value_moves where before_usd is null or after_usd is null;
alter table portfolio.value_moves alter before_usd set not null, alter after_usd set not null,
  drop constraint value_moves_check;
drop table portfolio.last_valuations;
drop table portfolio.price_disputes;
drop table portfolio.price_checks;
