#include "backoff.h"

void backoff_note(struct backoff *backoff, bool failed, uint64_t now_ns)
{
    uint64_t wait_ms = backoff->wait_ms == 0 ? backoff->first_ms : (uint64_t)backoff->wait_ms * 2;
    if (wait_ms > backoff->most_ms)
        wait_ms = backoff->most_ms;
    backoff->wait_ms = failed ? (uint32_t)wait_ms : 0;
    backoff->due_ns = failed ? now_ns + wait_ms * 1000000u : 0;
}

void backoff_skip(struct backoff *backoff)
{
    backoff->due_ns = 0;
}

bool backoff_is_due(const struct backoff *backoff, uint64_t now_ns)
{
    return now_ns >= backoff->due_ns;
}
