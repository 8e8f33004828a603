/* Sessions of browsers. What a session is stands in its cookie, encrypted and authenticated (AES-256-GCM,
 * NIST SP 800-38D, with a random nonce for each), so that the server keeps nothing of sessions but those that
 * were ended before their time.
 *
 * The file `sessions` of the database has the key and, behind it, the sessions that were ended. It is never
 * part of an export or a backup; without it (or with one that is damaged) all sessions have ended.
 *
 * Any thread. */
#ifndef CONNECTORDB_SESSIONS_H
#define CONNECTORDB_SESSIONS_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SESSION_ID_BYTES = 16,
    SESSION_PROOF_BYTES = 16,
    SESSION_TEXT_BYTES = 160, /* of a cookie's value, with its 0 byte */
    SESSIONS_ENDED_MAX = 100000,
};

struct session {
    uint8_t id[SESSION_ID_BYTES];
    int64_t user_id, device_id;
    int64_t expires_s;                  /* unix time */
    uint8_t proof[SESSION_PROOF_BYTES]; /* of the password and the API key that were valid at the log-in */
};

struct sessions;

/* Opens the file, or makes it with a new key (mode 0600). When the disk is full, that is put off: sessions
 * then end with the server. 0 or -errno; blocks for the disk. */
int sessions_open(const char *path, struct sessions **ret_sessions, struct error *ret_error);
void sessions_close(struct sessions *sessions); /* accepts NULL */

/* The proof for a stored password hash and an API key: it changes with either, and tells neither. False:
 * no memory. */
bool sessions_proof(const struct sessions *sessions, const char *password_hash, const char *apikey,
    uint8_t ret_proof[SESSION_PROOF_BYTES]);

/* Draws an id for the session and writes it as text. False: no randomness or memory. */
bool sessions_issue(struct sessions *sessions, struct session *session, char to[SESSION_TEXT_BYTES]);

enum session_state {
    SESSION_VALID,
    SESSION_ENDED,  /* it was ours: expired, or ended by sessions_end */
    SESSION_FOREIGN /* not made with our key */
};
/* Reads a cookie's value. *ret_session is set unless it is foreign. The caller compares the proof. */
enum session_state sessions_read(
    struct sessions *sessions, const char *text, size_t size, struct session *ret_session);

/* Ends the session before its time. With SESSIONS_ENDED_MAX of them, all sessions end: the key is replaced.
 * 0: durable; -errno: the file could not be written, and the session is over until the server ends; a later
 * sessions_end or sessions_settle writes the file. Blocks for the disk. */
int sessions_end(struct sessions *sessions, const struct session *session, struct error *ret_error);

/* Makes durable what an earlier sessions_end could not write. A log-out with a cookie that is no valid
 * session any more needs it: it may be the second attempt of one that failed. 0: the file is up to date;
 * -errno. */
int sessions_settle(struct sessions *sessions, struct error *ret_error);

#endif
