/* A small journal with every kind of frame, the same every time: for tests of the journal's file, of damage
 * to it and for the golden files of its format. Helpers fail the running test when they cannot do their work.
 */
#ifndef CONNECTORDB_JOURNAL_SAMPLE_H
#define CONNECTORDB_JOURNAL_SAMPLE_H

#include "journal_file.h"

enum {
    SAMPLE_FRAMES = 9,
    SAMPLE_JOURNAL_ID = 7,
    SAMPLE_JOURNAL_BYTES = JOURNAL_BYTES_MIN,
};
#define SAMPLE_NONCE UINT64_C(0x0123456789abcdef)

/* Points of sample frame `number`, and the frame's header but for group, synced_to and offset; kind tells
 * whether there are points. batch_free the batch. */
void sample_frame(unsigned number, struct frame *ret_frame, struct batch *ret_batch);

/* An empty journal-7 with the fixed nonce in the directory. */
struct journal_file *sample_journal(struct io *io, const char *directory, const char *recycle);
/* Gives an empty journal this nonce, so that its bytes are reproducible. */
void sample_set_nonce(struct journal_file *journal, uint64_t nonce);

/* Packs sample frame `number` into malloc'ed memory: free it. The caller sets frame->offset, group,
 * synced_to and continues. */
uint8_t *sample_pack(unsigned number, uint64_t nonce, struct frame *frame);

/* Appends sample frames [0, count) from offset `from` on and tells where each ends (ends[count] entries).
 * one_group: all in group 1, synced_to = from; else each frame is a group of its own, synced_to = its offset.
 */
void sample_append(
    struct journal_file *journal, uint64_t from, unsigned count, bool one_group, uint64_t *ends);

/* Appends sample frames [0, count) from offset `from` on as one unit of group 10, synced_to = from, and tells
 * where each ends. */
void sample_append_unit(struct journal_file *journal, uint64_t from, unsigned count, uint64_t *ends);

/* Appends a line for the frame and one for each of its points to the text, as tools/read_journal.py prints
 * them. */
void sample_dump_frame(FILE *to, const struct frame *frame, const struct batch *view);

#endif
