/* Routes outside of /api: the page of the server, its files, logging out, and joining. */
#ifndef CONNECTORDB_PAGE_H
#define CONNECTORDB_PAGE_H

#include "request.h"

/* A file of the page, part of the program. */
struct page_file {
    const char *name;
    const char *tag; /* of its content, as ETag has it */
    enum http_content content;
    const unsigned char *bytes;
    size_t size;
};
extern const struct page_file PAGE_FILES[]; /* ended by one without a name; the page itself is the first */

/* Answers a request for the path. False: *problem is set. */
bool page_route(struct request *request, const struct url_path *path, struct problem *problem);

/* join.c: GET /join?q=allowed and POST /join. */
bool join_allowed(struct request *request, struct problem *problem);
bool join_post(struct request *request, struct problem *problem);

#endif
