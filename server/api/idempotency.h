/* Idempotency-Key: an insert that is sent again, because its outcome is unknown, is answered like the first
 * time and stores nothing twice. (IETF draft-ietf-httpapi-idempotency-key-header.)
 *
 * A key belongs to the device that sends it. It is stored as a datapoint of a hidden series, in the same
 * commit as the datapoints of the insert: both are there after a crash, or none. What was stored in the last
 * IDEMPOTENCY_SECONDS is also in memory; the hidden series of earlier times are deleted. Keys of inserts that
 * were refused are forgotten.
 *
 * Any thread, but a struct idempotent_request belongs to one. */
#ifndef CONNECTORDB_IDEMPOTENCY_H
#define CONNECTORDB_IDEMPOTENCY_H

#include "batch.h"
#include "body.h"
#include "problem.h"
#include "request.h"
#include "store.h"

#include <openssl/types.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    IDEMPOTENCY_KEY_BYTES_MAX = 255,
    IDEMPOTENCY_DIGEST_BYTES = 16,
    IDEMPOTENCY_KEYS_MAX = 100000, /* of the last IDEMPOTENCY_SECONDS; three quarters of them for one user */
};

struct idempotency;

/* Loads the keys of the last IDEMPOTENCY_SECONDS. store: borrowed until idempotency_close. */
int idempotency_open(struct store *store, struct idempotency **ret_idempotency, struct error *ret_error);
void idempotency_close(struct idempotency *idempotency); /* accepts NULL */

/* The key of one request. */
struct idempotent_request {
    struct idempotency *idempotency; /* NULL: the request has no key */
    int64_t user_id;
    uint8_t key[IDEMPOTENCY_DIGEST_BYTES];     /* of device and key */
    uint8_t content[IDEMPOTENCY_DIGEST_BYTES]; /* of method, path, query and body */
    uint8_t before[IDEMPOTENCY_DIGEST_BYTES]; /* the content that came with the key before, when `repeated` */
    bool repeated;
    EVP_MD_CTX *digest;  /* of the content, while it is read */
    struct batch record; /* what is stored */
};

/* Looks at the request's key, before its body is read. False, with *problem set: the key is wrong (400), its
 * first request is still under way (409), or there are too many keys (503). To be ended in any case. */
bool idempotency_begin(
    const struct request *request, struct idempotent_request *keyed, struct problem *problem);
/* Makes what is read from the body part of the content. */
void idempotency_observe(struct idempotent_request *keyed, struct body *body);
/* After the whole body was read. *ret_answered: it was stored before, answer like the first time. False, with
 * *problem set: the key came with another request (422). */
bool idempotency_check(
    struct idempotent_request *keyed, struct request *request, bool *ret_answered, struct problem *problem);
/* The part to append with the datapoints: the last one, its series has the greatest id. 0 or -ENOMEM. */
int idempotency_part(struct idempotent_request *keyed, struct store_part *ret_part);
/* The request has been answered. stored: the part was appended. */
void idempotency_end(struct idempotent_request *keyed, bool stored);

#endif
