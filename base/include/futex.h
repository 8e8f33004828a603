/* Waits for another thread without a lock (futex(2), private to the process). A thread that changes the futex
 * word wakes the waiting threads. Any thread; futex_wait blocks. */
#ifndef CONNECTORDB_FUTEX_H
#define CONNECTORDB_FUTEX_H

#include <stdint.h>

/* Blocks while the word equals `seen`. May return spuriously: check the condition again. */
void futex_wait(_Atomic uint32_t *word, uint32_t seen);
/* Wakes up to `count` waiting threads, in no particular order. */
void futex_wake(_Atomic uint32_t *word, int count);

#endif
