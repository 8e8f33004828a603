/* Preparation for the group commit: the next journal, and blocks of the active one. The sealer asks what is
 * needed, prepares it, and reports the result. */
#include "commit_private.h"

#include "check.h"
#include "growth.h"

/* Blocks of the active journal are allocated in such pieces: each is synced, and the commits of the file wait
 * for that. */
enum { FILL_PIECE_BYTES = 128 << 10 };

static bool nears_end_of_blocks(const struct journal *active)
{
    return active->filled_end < active->file->size &&
           active->filled_end - active->reserved_end < GROWTH_FILL_BYTES / 2;
}

static bool is_in_use(const struct journal *active)
{
    return active->reserved_end - JOURNAL_HEADER_BYTES >= active->file->size / GROWTH_USED_PART;
}

bool journals_need_work(struct commit *commit)
{
    bool need = nears_end_of_blocks(commit->active) || (!commit->spare && is_in_use(commit->active));
    bool news = need && !commit->work_asked_for;
    commit->work_asked_for = need;
    return news;
}

int journals_check_space(const struct error *error, struct error *ret_error)
{
    if (!error_is_no_space(error->code))
        return 0;
    return error_set(ret_error, error->code, "no space for the next journal, %s: %s",
        error_no_space_reason(error->code), error->message);
}

bool commit_wants_spare(struct commit *commit, struct journal_wish *ret_wish)
{
    (void)pthread_mutex_lock(&commit->lock);
    const struct journal *active = commit->active;
    bool wants = !commit->spare && !commit->dead;
    *ret_wish = (struct journal_wish){
        .size = growth_next_size(commit->options, active->file->size,
            active->reserved_end - JOURNAL_HEADER_BYTES, commit->frame_needed),
        .needed = commit->frame_needed,
        .soon = commit->spare_needed || is_in_use(active) ||
                commit->options->journal_bytes <= JOURNAL_BYTES_FIRST ||
                commit->options->no_threads, /* nobody could be woken for it */
    };
    (void)pthread_mutex_unlock(&commit->lock);
    return wants;
}

void commit_offer_spare(struct commit *commit, struct journal *spare, const struct error *prepare_error)
{
    (void)pthread_mutex_lock(&commit->lock);
    commit->spare_error = prepare_error ? *prepare_error : (struct error){0};
    if (spare) {
        CHECK(!commit->spare);
        commit->spare = spare;
        commit->spare_needed = false;
        commit->work_asked_for = false; /* the next need is a new one */
        if (spare->file->size - JOURNAL_HEADER_BYTES >= commit->frame_needed)
            commit->frame_needed = 0;
    }
    (void)pthread_cond_broadcast(&commit->room);
    (void)pthread_mutex_unlock(&commit->lock);
}

struct journal *commit_wants_blocks(struct commit *commit, uint64_t *ret_from, uint64_t *ret_to)
{
    struct journal *journal = NULL;
    (void)pthread_mutex_lock(&commit->lock);
    struct journal *active = commit->active;
    uint64_t left = active->file->size - active->filled_end;
    if (!commit->dead && left > 0 &&
        (nears_end_of_blocks(active) || active->filled_end < commit->blocks_needed)) {
        *ret_from = active->filled_end;
        *ret_to = active->filled_end + (left < FILL_PIECE_BYTES ? left : FILL_PIECE_BYTES);
        journal = journal_hold(active);
    }
    (void)pthread_mutex_unlock(&commit->lock);
    return journal;
}

void commit_offer_blocks(
    struct commit *commit, struct journal *journal, uint64_t to, const struct error *fill_error)
{
    (void)pthread_mutex_lock(&commit->lock);
    commit->blocks_error = fill_error ? *fill_error : (struct error){0};
    if (!fill_error) {
        journal->filled_end = to;
        commit->work_asked_for = false;
        if (journal != commit->active || to >= commit->blocks_needed)
            commit->blocks_needed = 0;
    }
    (void)pthread_cond_broadcast(&commit->room);
    (void)pthread_mutex_unlock(&commit->lock);
}
