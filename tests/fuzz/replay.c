/* The main of a fuzz target when it is built without libFuzzer: runs the files of the corpus folders named on
 * the command line, then a fixed number of mutations of them, the same ones every time. */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    INPUT_BYTES_MAX = 1 << 20,
    INPUTS_MAX = 4096,
    MUTATED_RUNS = 4000,
    MUTATED_BYTES_MAX = 64 << 10,
};

struct input {
    uint8_t *data;
    size_t size;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static struct input inputs[INPUTS_MAX];
static size_t input_count;
static uint64_t random_state = 1;

static void die(const char *what, const char *where)
{
    fprintf(stderr, "%s %s: %s\n", what, where, strerror(errno));
    exit(1);
}

/* SplitMix64 */
static uint64_t random_below(uint64_t bound)
{
    uint64_t mixed = random_state += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (mixed ^ (mixed >> 31)) % bound;
}

/* Every run gets its own exact allocation, so that a sanitizer sees a read past the end. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact)
        die("malloc", "input");
    if (size)
        memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
}

static void keep(const uint8_t *data, size_t size)
{
    if (input_count == INPUTS_MAX)
        return;
    struct input *input = &inputs[input_count++];
    input->data = malloc(size ? size : 1);
    if (!input->data)
        die("malloc", "input");
    if (size)
        memcpy(input->data, data, size);
    input->size = size;
}

static void load_file(const char *path)
{
    static uint8_t content[INPUT_BYTES_MAX];
    FILE *file = fopen(path, "rb");
    if (!file)
        die("open", path);
    size_t size = fread(content, 1, sizeof(content), file);
    if (ferror(file))
        die("read", path);
    fclose(file);
    keep(content, size);
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name); /* not alphasort: the order must not depend on the locale */
}

static void load_folder(const char *folder)
{
    struct dirent **entries;
    int count = scandir(folder, &entries, NULL, compare_names);
    if (count < 0 && errno == ENOENT)
        return; /* a target may have no corpus yet */
    if (count < 0)
        die("list", folder);
    for (int i = 0; i < count; i++) {
        char path[4096];
        struct stat status;
        int length = snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        if (length > 0 && (size_t)length < sizeof(path) && stat(path, &status) == 0 &&
            S_ISREG(status.st_mode))
            load_file(path);
        free(entries[i]);
    }
    free(entries);
}

/* One random edit of data[0..size) in place; returns the new size, at most capacity. */
static size_t mutate(uint8_t *data, size_t size, size_t capacity)
{
    static const uint8_t telling[] = {0, 1, 0x7f, 0x80, 0xc1, 0xdf, 0xff, '"', '\\', '[', '{', '-', '9', 'e'};
    size_t at = size ? random_below(size) : 0;
    switch (random_below(6)) {
    case 0: /* cut */
        return at;
    case 1: /* flip a bit */
        if (size)
            data[at] ^= (uint8_t)(1u << random_below(8));
        return size;
    case 2: /* a byte that often matters */
        if (size)
            data[at] = telling[random_below(sizeof(telling))];
        return size;
    case 3: /* insert a byte */
        if (size == capacity)
            return size;
        memmove(data + at + 1, data + at, size - at);
        data[at] = (uint8_t)random_below(256);
        return size + 1;
    case 4: /* remove a run */
    {
        size_t gone = size ? 1 + random_below(size - at) : 0;
        memmove(data + at, data + at + gone, size - at - gone);
        return size - gone;
    }
    default: /* repeat a run at its own end */
    {
        size_t run_size = size ? 1 + random_below(size - at) : 0;
        if (run_size > capacity - size)
            return size;
        memmove(data + at + run_size, data + at, size - at);
        return size + run_size;
    }
    }
}

static void run_mutations(void)
{
    static uint8_t work[MUTATED_BYTES_MAX];
    for (int i = 0; i < MUTATED_RUNS; i++) {
        const struct input *from = &inputs[random_below(input_count)];
        size_t size = from->size < sizeof(work) ? from->size : sizeof(work);
        if (size)
            memcpy(work, from->data, size);
        for (uint64_t edits = 1 + random_below(4); edits > 0; edits--)
            size = mutate(work, size, sizeof(work));
        run(work, size);
    }
}

int main(int argc, char **argv)
{
    if (LLVMFuzzerInitialize)
        LLVMFuzzerInitialize(&argc, &argv);
    keep((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++)
        load_folder(argv[i]);
    for (size_t i = 0; i < input_count; i++)
        run(inputs[i].data, inputs[i].size);
    run_mutations();
    printf("%zu inputs of the corpus, %d mutations\n", input_count, MUTATED_RUNS);
    for (size_t i = 0; i < input_count; i++)
        free(inputs[i].data);
    return 0;
}
