-- Notifications: where they go, and what became of them. Times are microseconds UTC.

-- Where messages can be sent to.
CREATE TABLE channel (
    id {text} PRIMARY KEY,
    name {text} NOT NULL,
    -- What it is, by the list of kinds.
    kind {text} NOT NULL,
    -- The account that it belongs to; the principal's id of whoever has none.
    owner {text} NOT NULL,
    -- JSON, without what is secret.
    config {text} NOT NULL,
    -- The rest of it and what was made for it: JSON, sealed for this channel.
    secrets {blob} NOT NULL,
    -- 0: on; 1: switched off; 2: its other end said that it is gone.
    state BIGINT NOT NULL,
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX channel_owner ON channel (owner, id);
-- What is told, once for all whom it is told to.
CREATE TABLE notification (
    id {text} PRIMARY KEY,
    -- 'record.matched', 'alert.firing'.
    type {text} NOT NULL,
    -- The rule that caused it; empty where none did.
    rule {text} NOT NULL,
    category {text} NOT NULL,
    time BIGINT NOT NULL,
    -- Canonical JSON: the member `data` of what a webhook gets.
    data {text} NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX notification_created ON notification (created_at);
-- One notification on its way to one target.
CREATE TABLE delivery (
    id {text} PRIMARY KEY,
    notification {text} NOT NULL,
    channel {text} NOT NULL,
    -- Whom the channel reaches with it, where it reaches more than one: an e-mail address.
    address {text} NOT NULL,
    rule {text} NOT NULL,
    -- What this one is told, where it is not what the notification says; else empty.
    data {text} NOT NULL,
    -- 0: waits; 1: is being sent; 2: delivered; 3: given up.
    state BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    -- Tries so far, and those since it was last put in line.
    tries BIGINT NOT NULL,
    tries_now BIGINT NOT NULL,
    -- Who sends it, until when; the number tells this turn from any other.
    holder {text} NOT NULL,
    held_until BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    done_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX delivery_target ON delivery (notification, channel, address);
CREATE INDEX delivery_due ON delivery (channel, due_at, id) WHERE state = 0;
CREATE INDEX delivery_held ON delivery (held_until) WHERE state = 1;
CREATE INDEX delivery_failed ON delivery (id) WHERE state = 3;
CREATE INDEX delivery_channel ON delivery (channel, id);
CREATE INDEX delivery_rule ON delivery (rule, id) WHERE rule <> '';
-- Old ones are swept.
CREATE INDEX delivery_done ON delivery (done_at) WHERE state > 1;
-- What came of each try.
CREATE TABLE attempt (
    delivery {text} NOT NULL,
    number BIGINT NOT NULL,
    at BIGINT NOT NULL,
    duration BIGINT NOT NULL,
    -- 'delivered', 'refused', 'timeout', …
    outcome {text} NOT NULL,
    -- Of the answer; 0 without one.
    status BIGINT NOT NULL,
    -- Of the answer's body, or what went wrong; at most 20 KB.
    excerpt {text} NOT NULL,
    PRIMARY KEY (delivery, number)
) {clustered};
