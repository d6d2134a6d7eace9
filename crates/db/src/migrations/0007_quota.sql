-- How much of each quota was handed out in a period of the calendar. Times are microseconds UTC.
CREATE TABLE quota (
    -- A keyed hash of the policy and of whom it counts.
    key {blob} NOT NULL,
    starts_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (key, starts_at)
);
-- Old ones are swept.
CREATE INDEX quota_end ON quota (ends_at);
