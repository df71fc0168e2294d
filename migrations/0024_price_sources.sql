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

-- Down Migration
drop table portfolio.price_disputes;
drop table portfolio.price_checks;
