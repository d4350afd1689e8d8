#include "core/str.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"

void lk_str_init(lk_str *str)
{
    *str = (lk_str){0};
}

void lk_str_clear(lk_str *str)
{
    lk_free(&str->text);
    lk_str_init(str);
}

static bool reserve(lk_str *str, size_t more)
{
    if (str->failed) return false;
    if (str->size + more + 1 <= str->capacity) return true;
    size_t capacity = str->capacity ? str->capacity * 2 : 256;
    while (capacity < str->size + more + 1) capacity *= 2;
    char *text = NULL;
    if (LK_ALLOC(capacity, &text) != LK_OK) {
        str->failed = true;
        return false;
    }
    if (str->size) memcpy(text, str->text, str->size);
    lk_free(&str->text);
    str->text = text;
    str->capacity = capacity;
    return true;
}

void lk_str_append_bytes(lk_str *str, const char *bytes, size_t size)
{
    if (!reserve(str, size)) return;
    memcpy(str->text + str->size, bytes, size);
    str->size += size;
    str->text[str->size] = '\0';
}

void lk_str_append(lk_str *str, const char *text)
{
    lk_str_append_bytes(str, text, strlen(text));
}

void lk_str_printf(lk_str *str, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 || !reserve(str, (size_t)n)) return;
    va_start(args, format);
    vsnprintf(str->text + str->size, (size_t)n + 1, format, args);
    va_end(args);
    str->size += (size_t)n;
}

int lk_utf8_length(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    int      more = *at < 0x80 ? 0 : *at >> 5 == 6 ? 1 : *at >> 4 == 14 ? 2 : *at >> 3 == 30 ? 3 : -1;
    uint32_t code = more == 1 ? *at & 31u : more == 2 ? *at & 15u : *at & 7u;
    if (more < 1) return more + 1;
    for (int i = 1; i <= more; i++) {
        if (at[i] >> 6 != 2) return 0;
        code = code << 6 | (at[i] & 63u);
    }
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    return code < least[more] || code > 0x10ffff || code >> 11 == 27 ? 0 : more + 1;
}

void lk_str_append_json(lk_str *str, const char *text)
{
    lk_str_append(str, "\"");
    for (const unsigned char *at = (const unsigned char *)text; *at;) {
        int n = lk_utf8_length((const char *)at);
        if (n == 0)
            lk_str_append(str, "\\ufffd");
        else if (*at == '"' || *at == '\\')
            lk_str_printf(str, "\\%c", *at);
        else if (*at < 0x20)
            lk_str_printf(str, "\\u%04x", *at);
        else
            lk_str_append_bytes(str, (const char *)at, (size_t)n);
        at += n ? n : 1;
    }
    lk_str_append(str, "\"");
}

const char *lk_str_text(const lk_str *str)
{
    return str->text ? str->text : "";
}

lk_status lk_str_whole(const lk_str *str)
{
    if (!str->failed) return LK_OK;
    return lk_fail(LK_E_NOMEM, "no memory for a text of more than %zu bytes", str->size);
}

lk_status lk_str_copy(const lk_str *str, char **out)
{
    lk_status st = lk_str_whole(str);
    *out = st == LK_OK ? strdup(lk_str_text(str)) : NULL;
    if (st == LK_OK && !*out) st = lk_fail(LK_E_NOMEM, "no memory for a text of %zu bytes", str->size);
    return st;
}

lk_status lk_str_take(lk_str *str, char **out)
{
    *out = NULL;
    lk_status st = lk_str_whole(str);
    if (st == LK_OK && !str->text) st = lk_strdup("", out);
    if (st == LK_OK && str->text) {
        *out = str->text;
        str->text = NULL;
    }
    lk_str_clear(str);
    return st;
}

int lk_str_distance(const char *a, const char *b)
{
    enum { LONGEST = 63, FAR = 99 };
    size_t na = strlen(a), nb = strlen(b);
    if (na > LONGEST || nb > LONGEST) return FAR;
    int row[3][LONGEST + 1];
    /* Optimal string alignment: row i % 3 holds distances of a[0..i) to every prefix of b. */
    for (size_t j = 0; j <= nb; j++) row[0][j] = (int)j;
    for (size_t i = 1; i <= na; i++) {
        int *now = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];
        now[0] = (int)i;
        for (size_t j = 1; j <= nb; j++) {
            int best = up[j - 1] + (a[i - 1] != b[j - 1]);
            if (up[j] + 1 < best) best = up[j] + 1;
            if (now[j - 1] + 1 < best) best = now[j - 1] + 1;
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && up2[j - 2] + 1 < best) best = up2[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[na % 3][nb];
}
