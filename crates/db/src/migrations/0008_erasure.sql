-- Records that were erased: each has a position of its own in the log, behind the one that is empty since.
CREATE TABLE tombstone (
    stream BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    -- Where the record was.
    erased_seq BIGINT NOT NULL,
    id {text} NOT NULL,
    -- Microseconds UTC.
    erased_at BIGINT NOT NULL,
    PRIMARY KEY (stream, seq)
) {clustered};
CREATE UNIQUE INDEX tombstone_id ON tombstone (stream, id);
CREATE UNIQUE INDEX tombstone_erased ON tombstone (stream, erased_seq);
-- How many a stream has: each stands for two positions that hold no record.
ALTER TABLE stream_head ADD COLUMN erased BIGINT NOT NULL DEFAULT 0;
-- Those whose content may still lie about in the engine's files; a task clears it away, and the row.
CREATE TABLE erasing (
    stream BIGINT NOT NULL,
    seq BIGINT NOT NULL,
    PRIMARY KEY (stream, seq)
) {clustered};
