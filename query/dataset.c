#include "sequence.h"

#include "interpolator.h"
#include "msgpack_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS_BYTES = 4 << 20 }; /* a batch of rows ends when it has so many */

struct dataset {
    struct dataset_options options;
    struct interpolator *columns[DATASET_ELEMENTS_MAX];
    struct reader reference;
    double time; /* of the next row, without a reference */
    struct buffer row;
    struct batch rows;
    int pending; /* an error that comes after the rows before it */
    struct error error;
};

int dataset_open(const struct dataset_options *options, struct dataset **ret_dataset, struct error *ret_error)
{
    struct dataset *dataset = calloc(1, sizeof(*dataset));
    if (!dataset)
        return error_set(ret_error, ENOMEM, "out of memory for a dataset");
    dataset->options = *options;
    dataset->reference.source = options->reference;
    dataset->time = options->t1;
    batch_init(&dataset->rows);
    int r = 0;
    for (size_t i = 0; r == 0 && i < options->element_count; i++) {
        const struct dataset_element *element = &options->elements[i];
        r = interpolator_open(
            element->interpolator, element->points, options->limits, &dataset->columns[i], ret_error);
        if (r == -EINVAL)
            (void)error_prefix(ret_error, "%.60s", element->name);
    }
    if (r < 0) {
        dataset_close(dataset);
        return r;
    }
    *ret_dataset = dataset;
    return 0;
}

void dataset_close(struct dataset *dataset)
{
    if (!dataset)
        return;
    for (size_t i = 0; i < dataset->options.element_count; i++)
        interpolator_close(dataset->columns[i]);
    buffer_free(&dataset->row);
    batch_free(&dataset->rows);
    free(dataset);
}

/* ---- one row ---- */

static bool has_reference(const struct dataset *dataset)
{
    return dataset->options.reference.next != NULL;
}

/* The head of an object of so many members. */
static int begin_object(struct buffer *row, size_t count)
{
    if (count < 16)
        return buffer_append(row, &(uint8_t){(uint8_t)(0x80 | count)}, 1);
    return buffer_append(row, (uint8_t[]){0xde, (uint8_t)(count >> 8), (uint8_t)count}, 3);
}

static int append_key(struct buffer *row, const char *key)
{
    size_t size = strlen(key);
    uint8_t head[5] = {
        0xdb, (uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size};
    const uint8_t *from = head;
    size_t bytes = sizeof(head);
    if (size < 32) { /* the smallest form is the canonical one */
        head[0] = (uint8_t)(0xa0 | size);
        bytes = 1;
    } else if (size < 256) {
        head[3] = 0xd9;
        from = head + 3;
        bytes = 2;
    } else if (size < 65536) {
        head[2] = 0xda;
        from = head + 2;
        bytes = 3;
    }
    int r = buffer_append(row, from, bytes);
    return r < 0 ? r : buffer_append(row, key, size);
}

static int out_of_memory(struct dataset *dataset)
{
    return error_set(&dataset->error, ENOMEM, "out of memory for a dataset");
}

/* The time of the next row, and the column x. 1; 0 at the end; -errno. */
static int begin_row(struct dataset *dataset, double *ret_time)
{
    struct reader *reference = &dataset->reference;
    dataset->row.size = 0;
    size_t count = dataset->options.element_count + (has_reference(dataset) ? 1 : 0);
    if (begin_object(&dataset->row, count) < 0)
        return out_of_memory(dataset);
    if (!has_reference(dataset)) {
        *ret_time = dataset->time;
        dataset->time += dataset->options.dt;
        return *ret_time < dataset->options.t2;
    }
    int r = reader_peek(reference, ret_time, &dataset->error);
    if (r <= 0)
        return r;
    uint8_t scratch[9];
    size_t size;
    const uint8_t *value = batch_value(reference->batch, reference->at++, scratch, &size);
    if (append_key(&dataset->row, "x") < 0 || buffer_append(&dataset->row, value, size) < 0)
        return out_of_memory(dataset);
    return 1;
}

/* 1: a row; 0: one that is left out; -errno. */
static int fill_row(struct dataset *dataset, double time)
{
    bool dropped = false;
    for (size_t i = 0; i < dataset->options.element_count; i++) {
        const struct dataset_element *element = &dataset->options.elements[i];
        if (append_key(&dataset->row, element->name) < 0)
            return out_of_memory(dataset);
        int r = interpolator_value(dataset->columns[i], time, &dataset->row, &dataset->error);
        if (r == -EINVAL)
            (void)error_prefix(&dataset->error, "%.60s", element->name);
        if (r < 0)
            return r;
        dropped |= r == 0 && element->nil == DATASET_DROP_NIL;
    }
    return !dropped;
}

static int push_row(struct dataset *dataset, double time)
{
    size_t size;
    if (msgpack_validate(dataset->row.data, dataset->row.size, &size) < 0)
        return error_set(
            &dataset->error, EINVAL, "a row is nested more than %d levels deep", VALUE_DEPTH_MAX);
    int r = batch_push_msgpack(&dataset->rows, time, dataset->row.data, dataset->row.size);
    return r == -E2BIG ? error_set(&dataset->error, E2BIG, "a row of the dataset is too large")
           : r < 0     ? out_of_memory(dataset)
                       : 0;
}

int dataset_next(void *context, const struct batch **ret_batch, struct error *ret_error)
{
    struct dataset *dataset = context;
    int r = dataset->pending;
    batch_clear(&dataset->rows);
    while (
        r == 0 && dataset->rows.count < SCRIPT_RESULTS_AT_ONCE && dataset->rows.msgpack.size < ROWS_BYTES) {
        double time = 0;
        r = begin_row(dataset, &time);
        if (r <= 0)
            break;
        r = fill_row(dataset, time);
        r = r == 1 ? push_row(dataset, time) : r;
    }
    dataset->pending = r < 0 ? r : 0;
    *ret_batch = dataset->rows.count > 0 ? &dataset->rows : NULL;
    return *ret_batch || r >= 0 ? 0 : error_set(ret_error, -r, "%s", dataset->error.message);
}
