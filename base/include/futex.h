/* Waiting for another thread without a lock (futex(2), private to the process). The word is the caller's; who changes
 * it wakes. Any thread; futex_wait blocks. */
#ifndef CONNECTORDB_FUTEX_H
#define CONNECTORDB_FUTEX_H

#include <stdint.h>

/* Sleeps while the word is `seen`. Comes back when it is not, after a wake, or for no reason at all: look again. */
void futex_wait(_Atomic uint32_t *word, uint32_t seen);
/* Wakes up to `count` sleepers, in no order. */
void futex_wake(_Atomic uint32_t *word, int count);

#endif
