-- {text} sorts by code point on both engines, {blob} is the engine's bytes. Times are microseconds UTC.
CREATE TABLE stream_name (
    name {text} PRIMARY KEY,
    last_epoch BIGINT NOT NULL
);
CREATE TABLE stream (
    number BIGINT PRIMARY KEY,
    name {text} NOT NULL UNIQUE,
    epoch BIGINT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    definition {text} NOT NULL
);
CREATE TABLE stream_column (
    stream BIGINT NOT NULL,
    number BIGINT NOT NULL,
    path {text} NOT NULL,
    scalar {text} NOT NULL,
    state {text} NOT NULL,
    fill_to BIGINT NOT NULL,
    PRIMARY KEY (stream, number)
);
CREATE TABLE stream_head (
    stream BIGINT PRIMARY KEY,
    version BIGINT NOT NULL,
    first_seq BIGINT NOT NULL,
    last_seq BIGINT NOT NULL,
    last_received_at BIGINT NOT NULL
) {head_options};
CREATE TABLE record_id (
    stream BIGINT NOT NULL,
    id {text} NOT NULL,
    seq BIGINT NOT NULL,
    input_hash {blob},
    PRIMARY KEY (stream, id)
) {clustered};
CREATE TABLE idempotency (
    principal {text} NOT NULL,
    key {text} NOT NULL,
    body_hash {blob} NOT NULL,
    status BIGINT NOT NULL,
    answer {text} NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (principal, key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);
CREATE TABLE dropped_stream (
    number BIGINT PRIMARY KEY
);
CREATE TABLE setting (
    name {text} PRIMARY KEY,
    value {blob} NOT NULL
);
INSERT INTO setting (name, value) VALUES ('next_stream', {one});
