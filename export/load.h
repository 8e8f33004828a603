/* Loads one data file into the store: JSON text -> points, in order, -> the staging of an import. */
#ifndef CONNECTORDB_LOAD_H
#define CONNECTORDB_LOAD_H

#include "error.h"
#include "meter.h"
#include "store.h"
#include "tree.h"

#include <stdbool.h>

/* The state of one loading thread; set the first four fields and zero the rest. */
struct loader {
    struct store_bulk *bulk;
    struct meter *meter;
    const char *spill_directory;      /* for sorting */
    bool sort;                        /* sort what is unordered instead of refusing it */
    struct store_bulk_writer *writer; /* opened when the first points come */
    struct batch batch;
};

/* A number that changes when the source does: of its absolute path, its size and its modification time. */
uint64_t load_tag(const char *path, const struct tree_file *file);
/* Loads the file as the whole of a series. A file without points stages nothing. expected: what the file was
 * when it was looked at; another one by now is an error. -EBADMSG: bad text, unordered (both name file and
 * line). */
int load_file(struct loader *loader, const char *path, const struct tree_file *expected, uint64_t series_id,
    struct error *ret_error);
/* Ends the loader's segments; the series are staged completely then. */
int loader_finish(struct loader *loader, struct error *ret_error);
/* Frees what the loader owns; discards what is not finished. */
void loader_free(struct loader *loader);

#endif
