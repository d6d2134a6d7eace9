-- Which process writes the indexes of a stream, on an engine that all processes share. Times are
-- microseconds UTC.
CREATE TABLE search_lease (
    stream BIGINT PRIMARY KEY,
    holder {text} NOT NULL,
    -- One more with each holder.
    fence BIGINT NOT NULL,
    until BIGINT NOT NULL
);
-- The processes that would write indexes: each takes its share.
CREATE TABLE search_worker (
    holder {text} PRIMARY KEY,
    until BIGINT NOT NULL
);
-- Records that an engine never takes, for what they are.
CREATE TABLE search_refused (
    stream BIGINT NOT NULL,
    generation {text} NOT NULL,
    seq BIGINT NOT NULL,
    reason {text} NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (stream, generation, seq)
);
-- Indexes that were asked to be built anew, until a while after that.
CREATE TABLE search_build (
    stream BIGINT PRIMARY KEY,
    -- One more with each time that somebody asks.
    number BIGINT NOT NULL,
    asked_at BIGINT NOT NULL,
    -- The last number that is done, where the engine is shared.
    done BIGINT NOT NULL,
    -- What whoever builds it says of it.
    generation {text} NOT NULL,
    position BIGINT NOT NULL,
    target BIGINT NOT NULL
);
