#include "sentiment.h"

#include "sentiment_words.h" /* made at the build: SENTIMENT_WORDS, sorted by their bytes, and their count */

#include <stdlib.h>
#include <string.h>

enum { WORD_BYTES_MAX = 32 }; /* longer ones are not in the list */

bool sentiment_is_built_in(void)
{
    return SENTIMENT_WORD_COUNT > 0;
}

/* Upper-case letters beyond ASCII whose lower case occurs in the list. */
static const struct letter {
    const char *upper, *lower;
} LETTERS[] = {
    {"\xc3\x8f", "\xc3\xaf"}, /* I with diaeresis */
    {"\xc4\xb0", "i"},        /* I with a dot above */
    {"\xe2\x84\xaa", "k"},    /* the Kelvin sign */
};

/* The letter that the text begins with, or NULL. */
static const struct letter *letter_at(const char *text, size_t size)
{
    for (size_t i = 0; i < sizeof(LETTERS) / sizeof(LETTERS[0]); i++) {
        size_t bytes = strlen(LETTERS[i].upper);
        if (bytes <= size && memcmp(text, LETTERS[i].upper, bytes) == 0)
            return &LETTERS[i];
    }
    return NULL;
}

/* Writes the word in lower case with a 0 behind it. False: it is longer than any word of the list. */
static bool lower(const char *word, size_t size, char to[WORD_BYTES_MAX + 1])
{
    char *end = to;
    if (size > WORD_BYTES_MAX) /* no lower case here is longer than its upper case */
        return false;
    for (size_t i = 0; i < size;) {
        const struct letter *letter = letter_at(word + i, size - i);
        if (letter) {
            end = stpcpy(end, letter->lower);
            i += strlen(letter->upper);
        } else {
            *end++ = word[i] >= 'A' && word[i] <= 'Z' ? (char)(word[i] | 0x20) : word[i];
            i++;
        }
    }
    *end = '\0';
    return memchr(to, '\0', (size_t)(end - to)) == NULL; /* a word with a 0 in it is not in the list */
}

static int compare(const void *word, const void *entry)
{
    return strcmp(word, ((const struct sentiment_word *)entry)->word);
}

int sentiment_of_word(const char *word, size_t size)
{
    char key[WORD_BYTES_MAX + 1];
    if (!lower(word, size, key))
        return 0;
    const struct sentiment_word *found =
        bsearch(key, SENTIMENT_WORDS, SENTIMENT_WORD_COUNT, sizeof(SENTIMENT_WORDS[0]), compare);
    return found ? found->score : 0;
}
