/* A JSON array of users, devices or streams on its way out, from one moment of the catalog. */
#ifndef CONNECTORDB_LIST_H
#define CONNECTORDB_LIST_H

#include "request.h"

struct list {
    struct request *request;
    struct sink *sink;
    struct catalog_snapshot *snapshot;
    bool started; /* an element has been written */
};

/* Opens the snapshot and the answer. On failure the answer has been given. */
int list_begin(struct list *list, struct request *request);
/* Before each element. Non-zero ends the walk: the client is gone. */
int list_next(struct list *list);
/* Ends the answer; r and error are what the walk returned. */
void list_end(struct list *list, int r, const struct error *error);

#endif
