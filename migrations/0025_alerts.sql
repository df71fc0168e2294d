-- Up Migration
-- Keys of owners, and the alerts that belong to them.

-- A key is a bearer token. Only its hash is stored.
create table platform.keys (
  id text primary key check (id ~ '^[0-7][0-9A-HJKMNP-TV-Z]{25}$'),
  name text not null check (length(name) between 1 and 100),
  sha256 bytea not null check (length(sha256) = 32),
  created_at timestamptz not null default now(),
  revoked_at timestamptz
);

-- The keys that are not revoked. What belongs to others rests.
create function platform.active_keys() returns setof text language sql stable as $$
  select id from platform.keys where revoked_at is null
$$;

-- An alert observes a value: of a token or wallet in USD, of a wallet's fall from its peak in percent, or of the days until
-- a lock unlocks. It fires when the value reaches the threshold, and then not until the value has gone back to `rearm_at`.
create table portfolio.alerts (
  id text primary key check (id ~ '^[0-7][0-9A-HJKMNP-TV-Z]{25}$'),
  key_id text not null references platform.keys,
  kind text not null check (kind in ('price', 'value', 'drawdown', 'lock_expiry')),
  token_id integer references portfolio.tokens,
  wallet_id integer references portfolio.wallets,
  direction text not null check (direction in ('above', 'below')),
  threshold numeric not null check (threshold > 0),
  -- how far the value has to go back before the alert can fire again, in percent of the threshold
  margin_percent numeric not null check (margin_percent between 0 and 50),
  rearm_at numeric not null generated always as (
    threshold * (1 + case direction when 'above' then -1 else 1 end * margin_percent / 100)) stored,
  -- of a drawdown: how far back the peak may lie
  window_days integer check (window_days between 1 and 90),
  webhook_url text not null check (length(webhook_url) <= 2000),
  -- A key of HMAC-SHA256. After a rotation, the previous one signs too for a while.
  secret bytea not null check (length(secret) = 32),
  previous_secret bytea check (length(previous_secret) = 32),
  previous_until timestamptz,
  created_at timestamptz not null default now(),
  -- values before it are observed only as where the alert begins
  active_since timestamptz not null default date_trunc('milliseconds', now()),
  paused_at timestamptz,
  check ((kind = 'price') = (token_id is not null) and (kind = 'price') = (wallet_id is null)),
  check ((kind = 'drawdown') = (window_days is not null)),
  check ((previous_secret is null) = (previous_until is null))
);
create index alerts_by_key on portfolio.alerts (key_id);

-- How far an alert has been evaluated, for each thing that it observes: of `lock_expiry` each lock, else only one.
create table portfolio.alert_states (
  alert_id text not null references portfolio.alerts on delete cascade,
  -- the id of the lock's position; 0 if there is only one thing
  subject integer not null,
  -- false: it has fired, and the value has not gone back yet
  is_armed boolean not null,
  -- the time of the last value that was observed. Null: begin at the latest
  evaluated_to timestamptz,
  -- of a drawdown: the highest value of the window that ended then, and its time
  peak_usd numeric,
  peak_at timestamptz,
  primary key (alert_id, subject)
);

-- One row a crossing, and how far its webhook is.
create table portfolio.alert_firings (
  id bigint generated always as identity primary key,
  alert_id text not null references portfolio.alerts on delete cascade,
  subject integer not null,
  -- the time of the value that crossed the threshold
  observed_at timestamptz not null,
  value numeric not null,
  -- what the webhook says
  data jsonb not null,
  fired_at timestamptz not null default now(),
  status text not null default 'pending' check (status in ('pending', 'delivered', 'dead')),
  attempts integer not null default 0 check (attempts >= 0),
  -- the last attempt is this long after the first, at most
  first_attempt_at timestamptz,
  next_attempt_at timestamptz not null default now(),
  -- until then a worker is sending it
  claimed_until timestamptz,
  last_error text,
  delivered_at timestamptz,
  unique (alert_id, subject, observed_at)
);
create index alert_firings_by_alert on portfolio.alert_firings (alert_id, id);
create index alert_firings_pending on portfolio.alert_firings (alert_id, id) where status = 'pending';
create index alert_firings_due on portfolio.alert_firings (next_attempt_at) where status = 'pending';
create index alert_firings_by_time on portfolio.alert_firings (fired_at) where status <> 'pending';

-- Down Migration
drop table portfolio.alert_firings;
drop table portfolio.alert_states;
drop table portfolio.alerts;
drop function platform.active_keys;
drop table platform.keys;
