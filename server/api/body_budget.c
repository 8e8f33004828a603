#include "body_budget.h"

#include <errno.h>
#include <stddef.h>

void body_budget_init(struct body_budget *budget, uint64_t body_bytes_max)
{
    *budget = (struct body_budget){0};
    body_budget_resize(budget, body_bytes_max);
    (void)pthread_mutex_init(&budget->lock, NULL);
}

void body_budget_resize(struct body_budget *budget, uint64_t body_bytes_max)
{
    uint64_t bytes_max = 2 * body_bytes_max > BODY_BUDGET_BYTES ? 2 * body_bytes_max : BODY_BUDGET_BYTES;
    atomic_store(&budget->bytes_max, bytes_max);
    atomic_store(&budget->account_bytes_max, bytes_max / 4 * 3);
}

void body_budget_destroy(struct body_budget *budget)
{
    (void)pthread_mutex_destroy(&budget->lock);
}

static uint64_t account_bytes(const struct body_budget *budget, int64_t account)
{
    uint64_t bytes = 0;
    for (const struct body_share *share = budget->shares; share; share = share->next)
        bytes += share->account == account ? share->bytes : 0;
    return bytes;
}

static int fits(const struct body_budget *budget, int64_t account, uint64_t more)
{
    uint64_t bytes_max = budget->bytes_max;
    if (budget->bytes > bytes_max || more > bytes_max - budget->bytes)
        return -EBUSY;
    return account_bytes(budget, account) + more > budget->account_bytes_max ? -EDQUOT : 0;
}

int body_budget_take(struct body_budget *budget, struct body_share *share, uint64_t bytes)
{
    (void)pthread_mutex_lock(&budget->lock);
    int r = fits(budget, share->account, bytes - share->bytes);
    if (r == 0) {
        if (share->bytes == 0) {
            share->next = budget->shares;
            budget->shares = share;
        }
        budget->bytes += bytes - share->bytes;
        share->bytes = bytes;
    }
    (void)pthread_mutex_unlock(&budget->lock);
    return r;
}

int body_budget_ask(struct body_budget *budget, int64_t account, uint64_t bytes)
{
    (void)pthread_mutex_lock(&budget->lock);
    int r = fits(budget, account, bytes);
    (void)pthread_mutex_unlock(&budget->lock);
    return r;
}

void body_budget_give(struct body_budget *budget, struct body_share *share)
{
    if (share->bytes == 0)
        return;
    (void)pthread_mutex_lock(&budget->lock);
    struct body_share **link = &budget->shares;
    while (*link != share)
        link = &(*link)->next;
    *link = share->next;
    budget->bytes -= share->bytes;
    share->bytes = 0;
    (void)pthread_mutex_unlock(&budget->lock);
}

uint64_t body_budget_bytes(struct body_budget *budget)
{
    (void)pthread_mutex_lock(&budget->lock);
    uint64_t bytes = budget->bytes;
    (void)pthread_mutex_unlock(&budget->lock);
    return bytes;
}
