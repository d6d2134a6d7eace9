-- Mail: what is to be told to people at their addresses, and what was agreed with these. Times are
-- microseconds UTC.

-- What `auth` wants to have told, written in the transaction of its cause; `notify` takes it from here.
CREATE TABLE mail (
    id {text} PRIMARY KEY,
    -- 'mail.password_reset', …; 'none' is for nobody.
    kind {text} NOT NULL,
    -- Empty where there is none yet.
    account {text} NOT NULL,
    address {text} NOT NULL,
    time BIGINT NOT NULL,
    -- JSON, sealed for this row: links in it open doors.
    data {blob} NOT NULL
);
-- Texts in the place of the built-in ones.
CREATE TABLE template (
    name {text} PRIMARY KEY,
    subject {text} NOT NULL,
    body {text} NOT NULL,
    html {text} NOT NULL,
    updated_by {text} NOT NULL,
    updated_at BIGINT NOT NULL
);
-- Addresses without an account that want nothing more of a channel.
CREATE TABLE unsubscribed (
    channel {text} NOT NULL,
    -- As it is compared.
    address {text} NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (channel, address)
) {clustered};
-- Another address that somebody wants to have, until both say yes.
CREATE TABLE email_change (
    account {text} PRIMARY KEY,
    email {text} NOT NULL,
    email_key {text} NOT NULL,
    -- Of the links; empty once shown.
    old_hash {blob} NOT NULL,
    new_hash {blob} NOT NULL,
    expires_at BIGINT NOT NULL
);
-- From where an account signs in: a place that is new is told of.
CREATE TABLE known_device (
    account {text} NOT NULL,
    hash {blob} NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (account, hash)
) {clustered};
CREATE INDEX known_device_seen ON known_device (seen_at);
-- 0: the address was not shown to be theirs.
ALTER TABLE person ADD COLUMN verified BIGINT NOT NULL DEFAULT 1;
