-- Rules: what is watched for, and how far each has come. Times are microseconds UTC.

CREATE TABLE rule (
    id {text} PRIMARY KEY,
    name {text} NOT NULL,
    -- The account that it belongs to, and as whom it runs: that account, or a key of it.
    owner {text} NOT NULL,
    runs_as {text} NOT NULL,
    stream {text} NOT NULL,
    -- 'event', 'threshold', 'absence'.
    kind {text} NOT NULL,
    -- JSON.
    definition {text} NOT NULL,
    -- 0: runs; 1: switched off.
    state BIGINT NOT NULL,
    -- Why it cannot run now; empty when it can.
    error {text} NOT NULL,
    error_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX rule_owner ON rule (owner, id);
CREATE INDEX rule_stream ON rule (stream, id);
-- What a rule said before.
CREATE TABLE rule_version (
    rule {text} NOT NULL,
    version BIGINT NOT NULL,
    definition {text} NOT NULL,
    changed_by {text} NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (rule, version)
) {clustered};
-- Up to where a rule has read its stream, and who reads for it.
CREATE TABLE rule_cursor (
    rule {text} PRIMARY KEY,
    stream BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    -- And up to when its windows and deadlines were looked at.
    at BIGINT NOT NULL,
    holder {text} NOT NULL,
    held_until BIGINT NOT NULL,
    fence BIGINT NOT NULL
);
-- Each group of a rule: where its state machine stands, and when it moves by itself.
CREATE TABLE rule_state (
    rule {text} NOT NULL,
    -- Of the group's keys.
    fingerprint {text} NOT NULL,
    -- JSON: the keys by their fields.
    keys {text} NOT NULL,
    -- 0: inactive; 1: pending; 2: firing; 3: recovering.
    state BIGINT NOT NULL,
    since BIGINT NOT NULL,
    -- How often it has fired: what ids of its notifications are made of.
    episode BIGINT NOT NULL,
    acked_by {text} NOT NULL,
    acked_until BIGINT NOT NULL,
    -- JSON of a version: windows, last values, flags.
    memory {text} NOT NULL,
    PRIMARY KEY (rule, fingerprint)
) {clustered};
-- What is not told for a while.
CREATE TABLE silence (
    id {text} PRIMARY KEY,
    owner {text} NOT NULL,
    -- A filter over an alert.
    matcher {text} NOT NULL,
    comment {text} NOT NULL,
    starts_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX silence_end ON silence (ends_at);
