-- What is to become a record of a system stream: written in the transaction of what it tells of, and
-- appended by a task, so that nobody waits for the stream's head.
CREATE TABLE outbox (
    id {text} PRIMARY KEY,
    stream {text} NOT NULL,
    time BIGINT NOT NULL,
    data {text} NOT NULL
);
