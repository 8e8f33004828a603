#include "lexer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_BYTES_MAX = 400, SHOWN_BYTES_MAX = 60 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* ---- errors ---- */

int parse_error(const struct lexer *lexer, size_t offset, struct error *ret_error, const char *format, ...)
{
    char what[256];
    size_t line = 1, start = 0, end = offset;
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    for (size_t i = 0; i < offset && i < lexer->size; i++) {
        if (lexer->text[i] == '\n') {
            line++;
            start = i + 1;
        }
    }
    while (end < lexer->size && lexer->text[end] != '\n' && end - offset < SHOWN_BYTES_MAX)
        end++;
    if (offset - start > SHOWN_BYTES_MAX)
        start = offset - SHOWN_BYTES_MAX;
    return error_set(ret_error, EINVAL, "%s, line %zu, byte %zu of the script, at ^ in: %.*s^%.*s", what,
        line, offset + 1, (int)(offset - start), lexer->text + start, (int)(end - offset),
        lexer->text + offset);
}

/* ---- strings ---- */

static bool is_escape(char c, char quote)
{
    return c == 'n' || c == 'r' || c == 't' || c == '\\' || c == quote;
}

/* The offset of the closing quote of the string that starts at `at`. An escaped quote closes when no other
 * one does. */
static bool find_closer(const struct lexer *lexer, size_t at, size_t *ret_closer)
{
    char quote = lexer->text[at];
    size_t escaped = 0;
    for (size_t i = at + 1; i < lexer->size && lexer->text[i] != '\n'; i++) {
        if (lexer->text[i] == quote) {
            *ret_closer = i;
            return true;
        }
        if (lexer->text[i] == '\\' && i + 1 < lexer->size && is_escape(lexer->text[i + 1], quote)) {
            i++;
            if (lexer->text[i] == quote)
                escaped = i;
        }
    }
    *ret_closer = escaped;
    return escaped > 0;
}

/* Replaces each occurrence of \c by `by`, in place. */
static size_t replace(char *text, size_t size, char c, char by)
{
    size_t to = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\\' && i + 1 < size && text[i + 1] == c) {
            text[to++] = by;
            i++;
        } else {
            text[to++] = text[i];
        }
    }
    return to;
}

/* One escape after the other over the whole string, as in the original: "\\n" is a backslash and a line end.
 */
size_t lexer_unescape(const struct lexer *lexer, const struct token *token, char *to)
{
    static const char ESCAPES[][2] = {
        {'n', '\n'}, {'r', '\r'}, {'t', '\t'}, {'\\', '\\'}, {'"', '"'}, {'\'', '\''}};
    size_t size = token->size - 2;
    memcpy(to, lexer->text + token->offset + 1, size);
    for (size_t i = 0; i < sizeof(ESCAPES) / sizeof(ESCAPES[0]); i++)
        size = replace(to, size, ESCAPES[i][0], ESCAPES[i][1]);
    return size;
}

/* ---- tokens ---- */

static int take_string(struct lexer *lexer, struct token *token, struct error *ret_error)
{
    size_t closer;
    if (!find_closer(lexer, token->offset, &closer))
        return parse_error(
            lexer, token->offset, ret_error, "syntax error: the string does not end on its line");
    token->kind = TOKEN_STRING;
    token->size = closer + 1 - token->offset;
    return 0;
}

static int take_number(struct lexer *lexer, struct token *token, struct error *ret_error)
{
    char text[NUMBER_BYTES_MAX + 1];
    size_t at = token->offset;
    while (at < lexer->size && is_digit(lexer->text[at]))
        at++;
    if (at + 1 < lexer->size && lexer->text[at] == '.' && is_digit(lexer->text[at + 1]))
        for (at++; at < lexer->size && is_digit(lexer->text[at]);)
            at++;
    token->kind = TOKEN_NUMBER;
    token->size = at - token->offset;
    if (token->size > NUMBER_BYTES_MAX)
        return parse_error(
            lexer, token->offset, ret_error, "the number has more than %d digits", NUMBER_BYTES_MAX);
    memcpy(text, lexer->text + token->offset, token->size);
    text[token->size] = '\0';
    token->number = strtod(text, NULL);
    return 0;
}

static void take_name(struct lexer *lexer, struct token *token)
{
    static const struct {
        const char *word;
        enum token_kind kind;
    } KEYWORDS[] = {{"and", TOKEN_AND}, {"or", TOKEN_OR}, {"not", TOKEN_NOT}, {"true", TOKEN_TRUE},
        {"false", TOKEN_FALSE}};
    size_t at = token->offset;
    while (at < lexer->size && (is_name_start(lexer->text[at]) || is_digit(lexer->text[at])))
        at++;
    token->kind = TOKEN_NAME;
    token->size = at - token->offset;
    token->spaced = at < lexer->size && is_space(lexer->text[at]);
    for (size_t i = 0; i < sizeof(KEYWORDS) / sizeof(KEYWORDS[0]); i++)
        if (strlen(KEYWORDS[i].word) == token->size &&
            memcmp(KEYWORDS[i].word, lexer->text + token->offset, token->size) == 0)
            token->kind = KEYWORDS[i].kind;
}

static bool take_symbol(struct lexer *lexer, struct token *token)
{
    static const struct {
        const char *text;
        enum token_kind kind;
    } SYMBOLS[] = {{"<=", TOKEN_LESS_EQUAL}, {">=", TOKEN_GREATER_EQUAL}, {"==", TOKEN_EQUAL},
        {"!=", TOKEN_NOT_EQUAL}, {"<", TOKEN_LESS}, {">", TOKEN_GREATER}, {"+", TOKEN_PLUS},
        {"-", TOKEN_MINUS}, {"*", TOKEN_TIMES}, {"/", TOKEN_DIVIDE}, {"%", TOKEN_MODULO}, {"^", TOKEN_POWER},
        {":", TOKEN_COLON}, {"|", TOKEN_PIPE}, {",", TOKEN_COMMA}, {"(", TOKEN_OPEN}, {"[", TOKEN_OPEN},
        {")", TOKEN_CLOSE}, {"]", TOKEN_CLOSE}, {"{", TOKEN_OPEN_BRACE}, {"}", TOKEN_CLOSE_BRACE}};
    for (size_t i = 0; i < sizeof(SYMBOLS) / sizeof(SYMBOLS[0]); i++) {
        size_t size = strlen(SYMBOLS[i].text);
        if (size <= lexer->size - token->offset &&
            memcmp(SYMBOLS[i].text, lexer->text + token->offset, size) == 0) {
            token->kind = SYMBOLS[i].kind;
            token->size = size;
            token->bracket = *SYMBOLS[i].text;
            return true;
        }
    }
    return false;
}

int lexer_next(struct lexer *lexer, struct token *ret_token, struct error *ret_error)
{
    while (lexer->at < lexer->size && is_space(lexer->text[lexer->at]))
        lexer->at++;
    struct token token = {.kind = TOKEN_END, .offset = lexer->at};
    int r = 0;
    if (lexer->at < lexer->size) {
        char c = lexer->text[lexer->at];
        if (c == '"' || c == '\'')
            r = take_string(lexer, &token, ret_error);
        else if (is_digit(c))
            r = take_number(lexer, &token, ret_error);
        else if (is_name_start(c))
            take_name(lexer, &token);
        else if (!take_symbol(lexer, &token))
            r = parse_error(lexer, lexer->at, ret_error, "syntax error: unexpected character '%c'",
                c >= ' ' && c < 127 ? c : '?');
    }
    lexer->at = token.offset + token.size;
    *ret_token = token;
    return r;
}
