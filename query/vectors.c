#include "vectors.h"
#include "transform.h"

#include "batch.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    POINTS_MAX = SCRIPT_RESULTS_AT_ONCE,
    STAGES_MAX = 16,
    COLUMNS_MAX = 16,     /* that a script may need at a time */
    ATTEMPTS_MAX = 4,     /* at an exponent for one batch of results */
    DOUBLES_IN_A_ROW = 64 /* batches without an exponent, after which another one is tried */
};

/* Numbers, or booleans as 0 and 1. */
struct column {
    const double *values;
    bool logical;
};

struct vectors {
    const struct instance *instance;
    const struct node *stages[STAGES_MAX];
    unsigned stage_count, column_count;
    bool needs_times;

    /* The last evaluation. */
    const struct batch *batch; /* what was evaluated */
    struct column results;
    uint32_t from, count;
    bool selected;  /* rows holds the place of each result; else they are one after the other */
    bool unchanged; /* the results are the values that came in */

    uint8_t exponent;          /* of the last results that were decimals */
    unsigned without_decimals; /* batches to go until decimals are tried again */
    struct batch view;
    uint32_t rows[POINTS_MAX];
    double times[POINTS_MAX], input[POINTS_MAX], passed[POINTS_MAX];
    uint64_t chosen_times[POINTS_MAX], chosen_values[POINTS_MAX];
    uint8_t booleans[POINTS_MAX];
    double columns[][POINTS_MAX]; /* column_count of them */
};

/* ---- which scripts ---- */

static bool is_call(const struct node *node, unsigned *columns);

/* Sets *columns to how many columns the node's evaluation needs. */
static bool has_column_form(const struct node *node, unsigned *columns)
{
    unsigned left = 0, right = 0;
    switch (node->kind) {
    case NODE_IDENTITY:
        *columns = 0;
        return true;
    case NODE_CONSTANT:
        *columns = 1;
        return node->value.kind == VALUE_DOUBLE || node->value.kind == VALUE_BOOLEAN;
    case NODE_CALL:
        return is_call(node, columns);
    case NODE_OBJECT:
        return false;
    default:
        if (!has_column_form(node->children[0], &left) ||
            (node->child_count > 1 && !has_column_form(node->children[1], &right)))
            return false;
        right += node->child_count > 1 ? 1 : 0;
        *columns = left > right ? left : right;
        *columns += *columns == 0 ? 1 : 0;
        return node->one_to_one && !node->peek;
    }
}

static bool is_call(const struct node *node, unsigned *columns)
{
    *columns = 1;
    return node->transform->column && node->transform->argument_count == 0;
}

static bool is_selection(const struct node *node)
{
    return node->kind == NODE_CALL && (node->transform->flags & TRANSFORM_SELECTS);
}

static bool add_stage(struct vectors *vectors, const struct node *node)
{
    unsigned columns = 0;
    if (node->kind == NODE_PIPE && !node->one_to_one)
        return add_stage(vectors, node->children[0]) && add_stage(vectors, node->children[1]);
    if (vectors->stage_count == STAGES_MAX)
        return false;
    if (!has_column_form(is_selection(node) ? node->children[0] : node, &columns))
        return false;
    vectors->stages[vectors->stage_count++] = node;
    vectors->column_count = columns > vectors->column_count ? columns : vectors->column_count;
    return vectors->column_count < COLUMNS_MAX;
}

static bool looks_at_times(const struct node *node)
{
    if (node->kind == NODE_CALL && (node->transform->flags & TRANSFORM_OF_TIMES))
        return true;
    for (uint32_t i = 0; i < node->child_count; i++)
        if (node->children[i] && looks_at_times(node->children[i]))
            return true;
    return false;
}

/* One column more than the stages need: a stage's result stays while the next one is evaluated. */
static size_t bytes_of(unsigned columns)
{
    return sizeof(struct vectors) + ((size_t)columns + 1) * sizeof(double[POINTS_MAX]);
}

int vectors_new(
    struct run *run, const struct instance *instance, const struct node *root, struct vectors **ret_vectors)
{
    struct vectors plan = {.instance = instance};
    *ret_vectors = NULL;
    if (!add_stage(&plan, root))
        return 0;
    plan.needs_times = looks_at_times(root);
    struct error unused;
    size_t size = bytes_of(plan.column_count);
    if (size > run->arena->held_max / 2 || arena_hold(run->arena, size, &unused) < 0)
        return 0;
    struct vectors *vectors = malloc(size);
    if (!vectors) {
        arena_drop(run->arena, size);
        return error_set(run->error, ENOMEM, "out of memory for a script");
    }
    memcpy(vectors, &plan, offsetof(struct vectors, view));
    batch_init(&vectors->view);
    *ret_vectors = vectors;
    return 0;
}

void vectors_free(struct run *run, struct vectors *vectors)
{
    if (!vectors)
        return;
    arena_drop(run->arena, bytes_of(vectors->column_count));
    free(vectors);
}

bool vectors_take(const struct batch *batch)
{
    return (batch->form == VALUES_NUMBERS || batch->form == VALUES_BOOLEANS) && !batch->missing_times;
}

/* ---- expressions ---- */

/* out[i] = x[i] OP y[i], where out may be x or y. */
#define FOR_ALL(expression)                                                                                  \
    for (uint32_t i = 0; i < count; i++)                                                                     \
        out[i] = (expression);                                                                               \
    break

static void compute_arithmetic(
    enum node_kind kind, const double *x, const double *y, uint32_t count, double *out)
{
    switch (kind) {
    case NODE_ADD:
        FOR_ALL(x[i] + y[i]);
    case NODE_SUBTRACT:
        FOR_ALL(x[i] - y[i]);
    case NODE_MULTIPLY:
        FOR_ALL(x[i] * y[i]);
    case NODE_DIVIDE:
        FOR_ALL(x[i] / y[i]);
    case NODE_MODULO:
        FOR_ALL(fmod(x[i], y[i]));
    default:
        FOR_ALL(pow(x[i], y[i]));
    }
}

static void compute_logic(enum node_kind kind, const double *x, const double *y, uint32_t count, double *out)
{
    switch (kind) {
    case NODE_AND:
        FOR_ALL((double)(x[i] > 0 && y[i] > 0));
    case NODE_OR:
        FOR_ALL((double)(x[i] > 0 || y[i] > 0));
    case NODE_LESS:
        FOR_ALL((double)(x[i] < y[i]));
    case NODE_LESS_EQUAL:
        FOR_ALL((double)(x[i] <= y[i]));
    case NODE_GREATER:
        FOR_ALL((double)(x[i] > y[i]));
    case NODE_GREATER_EQUAL:
        FOR_ALL((double)(x[i] >= y[i]));
    case NODE_EQUAL:
        FOR_ALL((double)(x[i] == y[i]));
    default:
        FOR_ALL((double)(x[i] != y[i]));
    }
}

static struct column evaluate_column(
    struct vectors *vectors, const struct node *node, struct column in, unsigned first);

static struct column evaluate_prefix(
    struct vectors *vectors, const struct node *node, struct column in, unsigned first)
{
    struct column x = evaluate_column(vectors, node->children[0], in, first);
    uint32_t count = vectors->count;
    double *out = vectors->columns[first];
    if (node->kind == NODE_NEGATE && !x.logical)
        for (uint32_t i = 0; i < count; i++)
            out[i] = -x.values[i];
    else
        for (uint32_t i = 0; i < count; i++)
            out[i] = (double)!(x.values[i] > 0);
    return (struct column){out, node->kind == NODE_NOT || x.logical};
}

static struct column evaluate_constant_column(
    struct vectors *vectors, const struct value *value, unsigned first)
{
    double *out = vectors->columns[first], number = value->real;
    if (value->kind == VALUE_BOOLEAN)
        number = value->boolean;
    for (uint32_t i = 0; i < vectors->count; i++)
        out[i] = number;
    return (struct column){out, value->kind == VALUE_BOOLEAN};
}

static struct column evaluate_call_column(
    struct vectors *vectors, const struct node *node, struct column in, unsigned first)
{
    double *out = vectors->columns[first];
    void *state = (char *)vectors->instance->states + node->state;
    node->transform->column(state, in.values, vectors->times, vectors->count, out);
    return (struct column){out, node->transform->flags & TRANSFORM_GIVES_BOOLEANS};
}

static struct column evaluate_pipe(
    struct vectors *vectors, const struct node *node, struct column in, unsigned first)
{
    struct column between = evaluate_column(vectors, node->children[0], in, first);
    if (between.values == in.values)
        return evaluate_column(vectors, node->children[1], between, first);
    struct column result = evaluate_column(vectors, node->children[1], between, first + 1);
    if (result.values != vectors->columns[first + 1])
        return result;
    memcpy(vectors->columns[first], result.values, vectors->count * sizeof(double));
    return (struct column){vectors->columns[first], result.logical};
}

/* The result is `in` itself or in column `first`; columns before it are left alone. */
static struct column evaluate_column(
    struct vectors *vectors, const struct node *node, struct column in, unsigned first)
{
    if (node->kind == NODE_IDENTITY)
        return in;
    if (node->kind == NODE_CONSTANT)
        return evaluate_constant_column(vectors, &node->value, first);
    if (node->kind == NODE_CALL)
        return evaluate_call_column(vectors, node, in, first);
    if (node->kind == NODE_PIPE)
        return evaluate_pipe(vectors, node, in, first);
    if (node->child_count == 1)
        return evaluate_prefix(vectors, node, in, first);
    struct column x = evaluate_column(vectors, node->children[0], in, first);
    struct column y = evaluate_column(vectors, node->children[1], in, first + 1);
    double *out = vectors->columns[first];
    if (node->kind >= NODE_ADD)
        compute_arithmetic(node->kind, x.values, y.values, vectors->count, out);
    else
        compute_logic(node->kind, x.values, y.values, vectors->count, out);
    return (struct column){out, node->kind < NODE_ADD};
}

/* ---- pipelines ---- */

static struct column load(struct vectors *vectors, const struct batch *batch, uint32_t from, uint32_t count)
{
    double *input = vectors->input;
    if (batch->form == VALUES_BOOLEANS) {
        for (uint32_t i = 0; i < count; i++)
            input[i] = batch->booleans[from + i] != 0;
        return (struct column){input, true};
    }
    const struct numbers *numbers = &batch->numbers;
    if (numbers->kind == NUMBERS_AS_DOUBLES) {
        memcpy(input, numbers->doubles + from, count * sizeof(double));
    } else {
        const double power = POWERS_OF_TEN[numbers->exponent];
        for (uint32_t i = 0; i < count; i++)
            input[i] = (double)numbers->integers[from + i] / power;
    }
    return (struct column){input, false};
}

/* Keeps the rows for which the condition is true. */
static struct column select_rows(struct vectors *vectors, struct column condition, struct column in)
{
    uint32_t kept = 0, *rows = vectors->rows;
    double *passed = vectors->passed; /* may be `in` */
    for (uint32_t i = 0; i < vectors->count; i++) {
        uint32_t row = vectors->selected ? rows[i] : i;
        rows[kept] = row;
        passed[kept] = in.values[i];
        if (vectors->needs_times)
            vectors->times[kept] = vectors->times[i];
        kept += condition.values[i] > 0;
    }
    vectors->selected = true;
    vectors->count = kept;
    return (struct column){passed, in.logical};
}

uint32_t vectors_evaluate(struct vectors *vectors, const struct batch *batch, uint32_t from, uint32_t count)
{
    vectors->batch = batch;
    vectors->from = from;
    vectors->count = count;
    vectors->selected = false;
    vectors->unchanged = true;
    for (uint32_t i = 0; vectors->needs_times && i < count; i++)
        vectors->times[i] = batch_time(batch, from + i);
    struct column now = load(vectors, batch, from, count);
    for (unsigned i = 0; i < vectors->stage_count; i++) {
        const struct node *stage = vectors->stages[i];
        /* The result of the stage before stays in column 0. */
        unsigned first = now.values == vectors->columns[0] ? 1 : 0;
        if (is_selection(stage)) {
            now = select_rows(vectors, evaluate_column(vectors, stage->children[0], now, first), now);
            continue;
        }
        struct column result = evaluate_column(vectors, stage, now, first);
        vectors->unchanged = vectors->unchanged && result.values == now.values;
        if (first == 1 && result.values == vectors->columns[1]) {
            memcpy(vectors->columns[0], result.values, vectors->count * sizeof(double));
            result.values = vectors->columns[0];
        }
        now = result;
    }
    vectors->results = now;
    return vectors->count;
}

/* ---- results ---- */

static uint32_t row_of(const struct vectors *vectors, uint32_t i)
{
    return vectors->from + (vectors->selected ? vectors->rows[i] : i);
}

struct point vectors_point(const struct vectors *vectors, uint32_t i)
{
    double value = vectors->results.values[i];
    uint32_t row = row_of(vectors, i);
    return (struct point){.t = batch_time(vectors->batch, row),
        .d = vectors->results.logical ? value_boolean(value > 0) : value_double(value),
        .origin = vectors->unchanged ? row + 1 : 0};
}

static void choose(struct vectors *vectors, const struct numbers *from, uint64_t *to, struct numbers *ret)
{
    *ret = *from;
    if (!vectors->selected) {
        ret->u64s = from->u64s + vectors->from;
        return;
    }
    for (uint32_t i = 0; i < vectors->count; i++)
        to[i] = from->u64s[vectors->from + vectors->rows[i]];
    ret->u64s = to;
}

/* Decimals are printed many times as fast as other doubles. */
static bool make_decimals(struct vectors *vectors, uint8_t exponent, uint32_t *ret_failed)
{
    int64_t *integers = (int64_t *)vectors->chosen_values;
    for (uint32_t i = 0; i < vectors->count; i++) {
        if (!decimal_from_double(vectors->results.values[i], exponent, &integers[i])) {
            *ret_failed = i;
            return false;
        }
    }
    vectors->exponent = exponent;
    vectors->view.numbers =
        (struct numbers){.kind = NUMBERS_AS_DECIMALS, .exponent = exponent, .integers = integers};
    return true;
}

static bool find_decimals(struct vectors *vectors)
{
    int exponent = vectors->exponent;
    if (vectors->without_decimals > 0) {
        vectors->without_decimals--;
        return false;
    }
    for (int i = 0; i < ATTEMPTS_MAX; i++) {
        uint32_t failed;
        if (make_decimals(vectors, (uint8_t)exponent, &failed))
            return true;
        int needed = decimal_exponent(vectors->results.values[failed]);
        if (needed <= exponent)
            break;
        exponent = needed;
    }
    vectors->without_decimals = DOUBLES_IN_A_ROW;
    vectors->exponent = 0;
    return false;
}

static bool all_finite(const struct vectors *vectors)
{
    double sum = 0;
    for (uint32_t i = 0; i < vectors->count; i++)
        sum += vectors->results.values[i] * 0;
    return sum == 0;
}

const struct batch *vectors_batch(struct vectors *vectors)
{
    struct batch *view = &vectors->view;
    batch_init(view);
    view->count = vectors->count;
    choose(vectors, &vectors->batch->times, vectors->chosen_times, &view->times);
    view->form = vectors->results.logical ? VALUES_BOOLEANS : VALUES_NUMBERS;
    if (vectors->results.logical) {
        for (uint32_t i = 0; i < vectors->count; i++)
            vectors->booleans[i] = vectors->results.values[i] > 0;
        view->booleans = vectors->booleans;
        return view;
    }
    if (vectors->unchanged) {
        choose(vectors, &vectors->batch->numbers, vectors->chosen_values, &view->numbers);
        return view;
    }
    if (!all_finite(vectors))
        return NULL;
    if (!find_decimals(vectors))
        view->numbers = (struct numbers){
            .kind = NUMBERS_AS_DOUBLES, .doubles = (double *)(uintptr_t)vectors->results.values};
    return view;
}
