-- The catalog's tables, format version 1 (user_version). Strict types; texts are UTF-8 without NUL; booleans are 0 or 1.
-- Ids come from AUTOINCREMENT and series ids from series_sequence: neither is ever given out twice.
CREATE TABLE users (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    name            TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 29),
    nickname        TEXT NOT NULL,
    email           TEXT NOT NULL,
    description     TEXT NOT NULL,
    icon            TEXT NOT NULL,
    role            TEXT NOT NULL CHECK (length(role) <= 29),
    public          INTEGER NOT NULL CHECK (public IN (0, 1)),
    password        TEXT NOT NULL,
    password_salt   TEXT NOT NULL,
    password_scheme TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX users_email ON users (email) WHERE email <> '';
-- A login names the user or the address without case.
CREATE INDEX users_name_nocase ON users (name COLLATE NOCASE);
CREATE INDEX users_email_nocase ON users (email COLLATE NOCASE);

CREATE TABLE devices (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id       INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name          TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 29),
    nickname      TEXT NOT NULL,
    description   TEXT NOT NULL,
    icon          TEXT NOT NULL,
    apikey        TEXT NOT NULL CHECK (name <> 'meta' OR apikey = ''),
    role          TEXT NOT NULL CHECK (length(role) <= 29),
    enabled       INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    public        INTEGER NOT NULL CHECK (public IN (0, 1)),
    visible       INTEGER NOT NULL CHECK (visible IN (0, 1)),
    user_editable INTEGER NOT NULL CHECK (user_editable IN (0, 1)),
    UNIQUE (user_id, name)
) STRICT;
CREATE UNIQUE INDEX devices_apikey ON devices (apikey) WHERE apikey <> '';

CREATE TABLE streams (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    device_id          INTEGER NOT NULL REFERENCES devices (id) ON DELETE CASCADE,
    name               TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 29),
    nickname           TEXT NOT NULL,
    description        TEXT NOT NULL,
    icon               TEXT NOT NULL,
    schema             TEXT NOT NULL,
    datatype           TEXT NOT NULL,
    ephemeral          INTEGER NOT NULL CHECK (ephemeral IN (0, 1)),
    downlink           INTEGER NOT NULL CHECK (downlink IN (0, 1)),
    series_id          INTEGER NOT NULL UNIQUE CHECK (series_id > 0),
    downlink_series_id INTEGER UNIQUE CHECK (downlink_series_id > 0 AND downlink_series_id <> series_id),
    UNIQUE (device_id, name),
    CHECK ((downlink_series_id IS NOT NULL) = downlink)
) STRICT;

-- One row: the last series id given out.
CREATE TABLE series_sequence (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    last INTEGER NOT NULL CHECK (last >= 0)
) STRICT;
INSERT INTO series_sequence (only, last) VALUES (1, 0);
