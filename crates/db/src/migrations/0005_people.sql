-- People: how they sign in, and the sessions they have. Times are microseconds UTC.

-- What an account of the kind 'person' signs in with.
CREATE TABLE person (
    account {text} PRIMARY KEY,
    -- As it was typed, and as it is compared.
    email {text} NOT NULL,
    email_key {text} NOT NULL UNIQUE,
    -- The pepper's version, then the hash as its kind writes it; none cannot sign in.
    password {text},
    -- How dear the hash is, e.g. 'bcrypt-12': an unknown name costs as much as the dearest.
    password_cost {text},
    -- 1: too short to be the only factor.
    password_short BIGINT NOT NULL,
    -- The seed of the second factor, sealed; and one that is not confirmed yet.
    totp {blob},
    totp_new {blob},
    -- The last step of which a code was taken: each is good once.
    totp_step BIGINT NOT NULL
);
CREATE TABLE recovery_code (
    account {text} NOT NULL,
    hash {blob} NOT NULL,
    PRIMARY KEY (account, hash)
);
CREATE TABLE session (
    id {text} PRIMARY KEY,
    account {text} NOT NULL,
    -- Which of its refresh tokens is good.
    counter BIGINT NOT NULL,
    rotated_at BIGINT NOT NULL,
    -- 1: a second factor was shown.
    second_factor BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    proven_at BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    device {text} NOT NULL,
    address {text} NOT NULL
);
CREATE INDEX session_account ON session (account, id);
CREATE TABLE invitation (
    hash {blob} PRIMARY KEY,
    email {text} NOT NULL,
    -- A JSON array.
    roles {text} NOT NULL,
    invited_by {text} NOT NULL,
    expires_at BIGINT NOT NULL
);
-- Keys that sign access tokens, sealed; what they are for follows from the times.
CREATE TABLE signing_key (
    kid {text} PRIMARY KEY,
    sealed {blob} NOT NULL,
    active_at BIGINT NOT NULL,
    retiring_at BIGINT NOT NULL,
    gone_at BIGINT NOT NULL
);
-- 1: whoever holds the role has its rights only after showing a second factor.
ALTER TABLE role ADD COLUMN second_factor BIGINT NOT NULL DEFAULT 0;
