-- What people are told in Forebay itself, and how they want to be told. Times are microseconds UTC.

CREATE TABLE inbox (
    account {text} NOT NULL,
    -- Ascending with time.
    id {text} NOT NULL,
    notification {text} NOT NULL,
    category {text} NOT NULL,
    title {text} NOT NULL,
    body {text} NOT NULL,
    link {text} NOT NULL,
    -- 0: unread.
    read_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (account, id)
) {clustered};
CREATE UNIQUE INDEX inbox_notification ON inbox (account, notification);
CREATE INDEX inbox_unread ON inbox (account, category) WHERE read_at = 0;
-- Old ones are swept.
CREATE INDEX inbox_created ON inbox (created_at);
CREATE TABLE preference (
    account {text} NOT NULL,
    category {text} NOT NULL,
    channel {text} NOT NULL,
    -- 1: yes; 0: no.
    wanted BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (account, category, channel)
) {clustered};
