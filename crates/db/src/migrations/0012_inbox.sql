-- What people are told in Forebay itself, and how they want to be told. Times are microseconds UTC.

CREATE TABLE inbox (
    account {text} NOT NULL,
    -- Counts the account's items without a gap, in the order in which they were committed.
    seq BIGINT NOT NULL,
    notification {text} NOT NULL,
    category {text} NOT NULL,
    title {text} NOT NULL,
    body {text} NOT NULL,
    link {text} NOT NULL,
    -- 0: unread.
    read_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (account, seq)
) {clustered};
CREATE UNIQUE INDEX inbox_notification ON inbox (account, notification);
CREATE INDEX inbox_unread ON inbox (account, category) WHERE read_at = 0;
-- Old ones are swept.
CREATE INDEX inbox_created ON inbox (created_at);
-- How far each account's inbox is: whoever adds to one holds its row until the transaction ends, so
-- that no reader sees 5 before 4.
CREATE TABLE inbox_head (
    account {text} PRIMARY KEY,
    seq BIGINT NOT NULL,
    -- Moves with each item that comes, is read or goes.
    changes BIGINT NOT NULL
);
CREATE TABLE preference (
    account {text} NOT NULL,
    category {text} NOT NULL,
    -- 'inbox' or 'email'.
    channel {text} NOT NULL,
    -- 1: yes; 0: no.
    wanted BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (account, category, channel)
) {clustered};
