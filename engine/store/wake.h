/* How the store's files call the background's attention without knowing it. */
#ifndef CONNECTORDB_WAKE_H
#define CONNECTORDB_WAKE_H

struct wake {
    void (*call)(void *context); /* any thread, under any lock of the store; does not block */
    void *context;
    void (*written)(void *context); /* the same: something was written that is not synced; may be NULL */
};

#endif
