-- Who asks. Times are microseconds UTC.

-- Those who can hold roles and keys. A program has the kind 'service'.
CREATE TABLE account (
    id {text} PRIMARY KEY,
    kind {text} NOT NULL,
    name {text} NOT NULL,
    -- active, disabled
    state {text} NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE role (
    name {text} PRIMARY KEY,
    -- A JSON array of `resource:action@scope`.
    permissions {text} NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE TABLE account_role (
    account {text} NOT NULL,
    role {text} NOT NULL,
    PRIMARY KEY (account, role)
);
CREATE INDEX account_role_role ON account_role (role, account);
CREATE TABLE api_key (
    id {text} PRIMARY KEY,
    owner {text} NOT NULL,
    name {text} NOT NULL,
    hash {blob} NOT NULL UNIQUE,
    -- The secret before a rotation, for as long as it is still good.
    old_hash {blob} UNIQUE,
    old_until BIGINT,
    permissions {text} NOT NULL,
    filter {text},
    -- A JSON array of networks; none is anywhere.
    networks {text},
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    last_used_at BIGINT
);
CREATE INDEX api_key_owner ON api_key (owner, id);
-- Moves with every change of the above, in its transaction: processes forget what they remember then.
CREATE TABLE identity_head (
    one BIGINT PRIMARY KEY,
    number BIGINT NOT NULL
);
INSERT INTO identity_head (one, number) VALUES (1, 0);
