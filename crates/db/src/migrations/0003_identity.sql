-- Who asks. Times are microseconds UTC; sealed values are opaque to the database.

-- People and programs. A person has an e-mail address, a program (kind 'service') has none.
CREATE TABLE account (
    id {text} PRIMARY KEY,
    kind {text} NOT NULL,
    -- As it was typed, and in the form by which it is looked up.
    email {text},
    email_key {text} UNIQUE,
    name {text} NOT NULL,
    -- invited, active, disabled
    state {text} NOT NULL,
    verified BIGINT NOT NULL,
    -- As the hashing scheme writes it; none for a program, or an invitation that was not taken up.
    password {text},
    -- The sealed seed; confirmed once a code was shown to be right.
    totp_seed {blob},
    totp_confirmed BIGINT NOT NULL,
    -- The last time step whose code was used: a code works once.
    totp_step BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    last_login_at BIGINT
);
CREATE TABLE recovery_code (
    account {text} NOT NULL,
    hash {blob} NOT NULL,
    PRIMARY KEY (account, hash)
);
CREATE TABLE role (
    name {text} PRIMARY KEY,
    -- A JSON array of `resource:action@scope`.
    permissions {text} NOT NULL,
    -- Whether its holders need a second factor.
    second_factor BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE TABLE account_role (
    account {text} NOT NULL,
    role {text} NOT NULL,
    PRIMARY KEY (account, role)
);
CREATE INDEX account_role_role ON account_role (role, account);
CREATE TABLE session (
    id {text} PRIMARY KEY,
    account {text} NOT NULL,
    -- Of the refresh token that is good now; the one before it stays good for a moment.
    counter BIGINT NOT NULL,
    rotated_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- When the password, and when the second factor, was shown last.
    auth_at BIGINT NOT NULL,
    second_factor_at BIGINT,
    device {text} NOT NULL,
    address {text} NOT NULL
);
CREATE INDEX session_account ON session (account, created_at);
CREATE INDEX session_expires ON session (expires_at);
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
CREATE INDEX api_key_owner ON api_key (owner, created_at);
CREATE TABLE signing_key (
    kid {text} PRIMARY KEY,
    algorithm {text} NOT NULL,
    -- next, active, retiring
    state {text} NOT NULL,
    private_key {blob} NOT NULL,
    public_key {blob} NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
-- One-time links: the first administrator, invitations.
CREATE TABLE link (
    hash {blob} PRIMARY KEY,
    -- setup, invitation
    purpose {text} NOT NULL,
    account {text},
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
-- What has changed about whom, so that every process forgets what it remembers of it. Numbers come
-- from the one row of identity_head, in commit order.
CREATE TABLE identity_head (
    one BIGINT PRIMARY KEY,
    number BIGINT NOT NULL
);
INSERT INTO identity_head (one, number) VALUES (1, 0);
CREATE TABLE identity_change (
    number BIGINT PRIMARY KEY,
    -- account:<id>, session:<id>, key:<id>, role:<name>
    subject {text} NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX identity_change_at ON identity_change (at);
-- Records that a transaction wants in a stream of the system's; a task appends them.
CREATE TABLE outbox (
    id {text} PRIMARY KEY,
    stream {text} NOT NULL,
    time BIGINT NOT NULL,
    data {text} NOT NULL
);
