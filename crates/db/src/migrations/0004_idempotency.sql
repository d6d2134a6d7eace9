-- The numbers of the streams that the request wrote to, as `[3,7]`: a key ends with its streams.
ALTER TABLE idempotency ADD COLUMN streams {text} NOT NULL DEFAULT '[]';
