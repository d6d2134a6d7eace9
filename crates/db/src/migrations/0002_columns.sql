-- A column's number is never used again, so that who knows an older definition never reads another field.
ALTER TABLE stream ADD COLUMN next_column BIGINT NOT NULL DEFAULT 1;
UPDATE stream SET next_column = (
    SELECT coalesce(max(c.number), 0) + 1 FROM stream_column c WHERE c.stream = stream.number
);
