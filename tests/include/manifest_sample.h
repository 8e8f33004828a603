/* A small manifest, the same every time: for tests of it, of damage to it and for its golden file. */
#ifndef CONNECTORDB_MANIFEST_SAMPLE_H
#define CONNECTORDB_MANIFEST_SAMPLE_H

#include "manifest.h"

/* manifest_free it. */
void sample_manifest(struct manifest *ret_manifest);
/* All fields and entries are equal; fails the running test otherwise. */
void assert_manifest_equal(const struct manifest *a, const struct manifest *b);
/* Writes the manifest to the text, as tools/read_journal.py prints it. */
void sample_dump_manifest(FILE *to, const struct manifest *manifest);

#endif
