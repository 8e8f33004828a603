/* Names in a store's directory (docs/FORMAT.md, section 2). Nothing else spells them.
 *
 *   MANIFEST            which journals and segments are live
 *   journal-N           inserts in arrival order
 *   segment-N           sealed, merged or loaded points
 *   recycled            one retired journal, to make the next one from
 *   import-NAME/        a bulk load that is not published: its segments and their list, STAGING
 *   trash/              what recovery found and the manifest does not name, NAME.V; and what it cut off
 *                       journals, journal-N.tail-OFFSET.V (V: the manifest's version)
 *
 * Ids are decimal without leading zeros; another spelling is another name. Pure functions, any thread. */
#ifndef CONNECTORDB_STORE_LAYOUT_H
#define CONNECTORDB_STORE_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#define MANIFEST_NAME "MANIFEST"
#define RECYCLED_NAME "recycled"
#define STAGING_NAME "STAGING"
#define TRASH_NAME "trash"

enum { STORE_NAME_BYTES = 32 }; /* of a journal's or segment's name, with its final zero */

/* Writes the name to `to` and returns it. */
const char *store_journal_name(char to[STORE_NAME_BYTES], uint64_t id);
const char *store_segment_name(char to[STORE_NAME_BYTES], uint64_t id);
/* Whether the name is one of those; sets *ret_id then. */
bool store_name_is_journal(const char *name, uint64_t *ret_id);
bool store_name_is_segment(const char *name, uint64_t *ret_id);
/* Whether the name is that of a bulk load's directory. */
bool store_name_is_import(const char *name);

/* Each returns the path of a file or folder in `directory`: any name, a journal, a segment, a bulk load, a
 * file in the trash, the cut-off tail of a journal in the trash. The caller frees it; NULL = no memory. */
char *store_path(const char *directory, const char *name);
char *store_journal_path(const char *directory, uint64_t id);
char *store_segment_path(const char *directory, uint64_t id);
char *store_import_path(const char *directory, const char *name);
char *store_trash_path(const char *directory, const char *name, uint64_t version);
char *store_trash_tail_path(const char *directory, uint64_t journal_id, uint64_t offset, uint64_t version);

#endif
