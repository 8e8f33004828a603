/* Tokens of a script. */
#ifndef CONNECTORDB_QUERY_LEXER_H
#define CONNECTORDB_QUERY_LEXER_H

#include "error.h"

#include <stdbool.h>
#include <stddef.h>

enum token_kind {
    TOKEN_END,
    TOKEN_NUMBER,
    TOKEN_STRING,
    TOKEN_TRUE,
    TOKEN_FALSE,
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_NOT,
    TOKEN_LESS,
    TOKEN_LESS_EQUAL,
    TOKEN_GREATER,
    TOKEN_GREATER_EQUAL,
    TOKEN_EQUAL,
    TOKEN_NOT_EQUAL,
    TOKEN_PLUS,
    TOKEN_MINUS,
    TOKEN_TIMES,
    TOKEN_DIVIDE,
    TOKEN_MODULO,
    TOKEN_POWER,
    TOKEN_COLON,
    TOKEN_PIPE,
    TOKEN_COMMA,
    TOKEN_OPEN, /* ( or [ */
    TOKEN_CLOSE,
    TOKEN_OPEN_BRACE,
    TOKEN_CLOSE_BRACE,
    TOKEN_NAME,
};

struct token {
    enum token_kind kind;
    size_t offset, size; /* in the script */
    bool spaced;         /* TOKEN_NAME: white space follows */
    char bracket;        /* TOKEN_OPEN, TOKEN_CLOSE: which one */
    double number;
};

struct lexer {
    const char *text;
    size_t size, at;
};

/* The next token. 0; -EINVAL: the error says what, parse_error adds where. */
int lexer_next(struct lexer *lexer, struct token *ret_token, struct error *ret_error);
/* The string's text with its escapes replaced, into to[token->size]; returns its length. */
size_t lexer_unescape(const struct lexer *lexer, const struct token *token, char *to);
/* Sets the error: what, the line and the byte, and the text around it with a caret before the byte. Returns
 * -EINVAL. */
int parse_error(const struct lexer *lexer, size_t offset, struct error *ret_error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
