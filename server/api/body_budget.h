/* How much of request bodies may be in memory at once, over all requests, and that no account takes all of
 * it.
 *
 * What a body costs is counted while it comes, not when it is announced: who announces much and sends nothing
 * holds nothing. The first BODY_UNCOUNTED_BYTES of each are free; there are no more of them than connections.
 * Any thread. */
#ifndef CONNECTORDB_BODY_BUDGET_H
#define CONNECTORDB_BODY_BUDGET_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

enum {
    BODY_UNCOUNTED_BYTES = 64 << 10,
    BODY_BUDGET_BYTES = 64 << 20, /* at least; a larger insert_limit_bytes counts twice */
};

/* One body's part. */
struct body_share {
    struct body_share *next;
    int64_t account;
    uint64_t bytes;
};

struct body_budget {
    pthread_mutex_t lock; /* of what follows */
    _Atomic uint64_t bytes_max, account_bytes_max;
    uint64_t bytes;
    struct body_share *shares; /* those that hold something */
};

/* body_bytes_max: of the largest body. An account gets three quarters of the budget at most. */
void body_budget_init(struct body_budget *budget, uint64_t body_bytes_max);
/* The largest body has another size from now on; what is held stays. */
void body_budget_resize(struct body_budget *budget, uint64_t body_bytes_max);
/* Frees it. No body may be open. */
void body_budget_destroy(struct body_budget *budget);

/* Enlarges the share of a body of this account to `bytes`. 0; -EBUSY: all are reading too much; -EDQUOT: this
 * account does. The share is unchanged then. */
int body_budget_take(struct body_budget *budget, struct body_share *share, uint64_t bytes);
/* The result that body_budget_take would have now. */
int body_budget_ask(struct body_budget *budget, int64_t account, uint64_t bytes);
/* What all bodies hold now. */
uint64_t body_budget_bytes(struct body_budget *budget);
/* Gives the share back; accepts one that holds nothing. */
void body_budget_give(struct body_budget *budget, struct body_share *share);

#endif
