#include "config/value.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/suggest.h"

enum { NUMBER_BYTES = 40 };

/* ---- numbers ---- */

/* [sign] digits [. digits] [e [sign] digits], with a digit somewhere before e: what YAML 1.2, C and Python
 * agree on. */
static bool is_number(const char *text)
{
    int digits = 0;
    if (*text == '+' || *text == '-') text++;
    for (; isdigit((unsigned char)*text); text++) digits++;
    if (*text == '.') {
        text++;
        for (; isdigit((unsigned char)*text); text++) digits++;
    }
    if (!digits) return false;
    if (*text == 'e' || *text == 'E') {
        text++;
        if (*text == '+' || *text == '-') text++;
        if (!isdigit((unsigned char)*text)) return false;
        while (isdigit((unsigned char)*text)) text++;
    }
    return *text == '\0';
}

/* 010 is ten to some and eight to others. */
static bool has_leading_zero(const char *text)
{
    if (*text == '+' || *text == '-') text++;
    return text[0] == '0' && isdigit((unsigned char)text[1]);
}

/* The text without `drop`, if that makes it a number; else NULL. */
static const char *number_without(lk_pool *pool, const char *text, char drop, char put)
{
    char   cleaned[NUMBER_BYTES];
    size_t n = 0;
    if (!strchr(text, drop)) return NULL;
    for (; *text && n + 1 < sizeof cleaned; text++) {
        if (*text != drop)
            cleaned[n++] = *text;
        else if (put)
            cleaned[n++] = put;
    }
    cleaned[n] = '\0';
    return !*text && is_number(cleaned) ? lk_pool_text(pool, cleaned, n) : NULL;
}

/* What somebody who wrote this probably meant; "" if there is no telling. */
static const char *number_hint(lk_pool *pool, const lk_tree *scalar)
{
    const char *text = scalar->text, *other;
    if (scalar->quoted)
        return is_number(text) ? lk_pool_printf(pool, "; in quotes it is a text: write %s", text) : "";
    if ((other = number_without(pool, text, '_', 0))) return lk_pool_printf(pool, "; write %s", other);
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X') && strlen(text) < 15 && strlen(text) > 2) {
        char              *end = NULL;
        unsigned long long value = strtoull(text, &end, 16);
        if (!*end) return lk_pool_printf(pool, "; write it in decimal: %llu", value);
    }
    size_t n = strlen(text);
    if (n > 1 && n < NUMBER_BYTES && text[n - 1] == '%') {
        char digits[NUMBER_BYTES];
        memcpy(digits, text, n - 1);
        digits[n - 1] = '\0';
        if (is_number(digits))
            return lk_pool_printf(pool, "; write a share: %s",
                                  lk_value_number_text(pool, strtod(digits, NULL) / 100));
    }
    const char *comma = strchr(text, ',');
    if (comma && strlen(comma) != 4 && (other = number_without(pool, text, ',', '.')))
        return lk_pool_printf(pool, "; write a point: %s", other);
    if (comma && (other = number_without(pool, text, ',', 0)))
        return lk_pool_printf(pool, "; write %s", other);
    if (is_number(text) && has_leading_zero(text))
        return lk_pool_printf(pool, "; write it without leading zeros: %s",
                              lk_value_number_text(pool, strtod(text, NULL)));
    return "";
}

const char *lk_value_number_text(lk_pool *pool, double number)
{
    char text[NUMBER_BYTES];
    if (number == 0) number = 0; /* -0 is written 0 */
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number) break;
    }
    if (fabs(number) < 1e15 && number == rint(number)) snprintf(text, sizeof text, "%.0f", number);
    /* 1e-05 and 1e+20 are C's habit; people write 1e-5 and 1e20. */
    char *e = strchr(text, 'e');
    if (e) {
        long exponent = strtol(e + 1, NULL, 10);
        snprintf(e + 1, sizeof text - (size_t)(e + 1 - text), "%ld", exponent);
    }
    return lk_pool_text(pool, text, strlen(text));
}

static const char *range_text(lk_pool *pool, const lk_option *option)
{
    const char *low = lk_value_number_text(pool, option->low),
               *high = lk_value_number_text(pool, option->high);
    bool above = option->flags & LK_OPTION_NOT_LOW, below = option->flags & LK_OPTION_NOT_HIGH;
    bool has_low = option->low > -1e29, has_high = option->high < 9e8;
    if (option->low == option->high) return low;
    if (has_low && has_high)
        return lk_pool_printf(pool, "%s%s and %s%s", above ? "above " : "at least ", low,
                              below ? "below " : "at most ", high);
    if (has_low) return lk_pool_printf(pool, "%s%s", above ? "above " : "at least ", low);
    return lk_pool_printf(pool, "%s%s", below ? "below " : "at most ", high);
}

static bool in_range(const lk_option *option, double number)
{
    if (number < option->low || (number == option->low && option->flags & LK_OPTION_NOT_LOW)) return false;
    return number < option->high || (number == option->high && !(option->flags & LK_OPTION_NOT_HIGH));
}

static const char *or_words(lk_pool *pool, const lk_option *option)
{
    return option->words ? lk_pool_printf(pool, " or %s", lk_suggest_list(pool, option->words)) : "";
}

static bool read_number(const lk_tree *scalar, lk_setting *setting, bool whole, lk_problems *problems)
{
    const lk_option *option = setting->option;
    lk_pool         *pool = problems->pool;
    const char      *name = lk_option_name(option), *text = scalar->text;
    if (scalar->quoted || !is_number(text) || has_leading_zero(text)) {
        lk_problems_add(problems, scalar->mark, "%s must be a %snumber%s, not '%s'%s%s", name,
                        whole ? "whole " : "", or_words(pool, option), text, number_hint(pool, scalar),
                        lk_suggest_word(pool, option, text));
        return false;
    }
    double number = strtod(text, NULL);
    if (whole && number != rint(number)) {
        lk_problems_add(problems, scalar->mark, "%s must be a whole number%s, not %s", name,
                        or_words(pool, option), text);
        return false;
    }
    if (!isfinite(number) || !in_range(option, number)) {
        lk_problems_add(problems, scalar->mark, "%s must be %s, not %s", name, range_text(pool, option),
                        text);
        return false;
    }
    setting->number = number;
    setting->integer = whole ? (int64_t)number : 0;
    setting->text = lk_value_number_text(pool, number);
    setting->plain = true;
    return true;
}

/* ---- bools and words ---- */

static bool read_bool(const lk_tree *scalar, lk_setting *setting, lk_problems *problems)
{
    static const char yes[] = "yes|on|true|y|1|t", no[] = "no|off|false|n|0|f";
    const char       *text = scalar->text, *hint = "";
    char              lower[8] = "";
    bool              is_true = !strcmp(text, "true");
    if (!scalar->quoted && (is_true || !strcmp(text, "false"))) {
        setting->flag = is_true;
        setting->text = is_true ? "true" : "false";
        setting->plain = true;
        return true;
    }
    for (size_t i = 0; i + 1 < sizeof lower && text[i]; i++) lower[i] = (char)tolower((unsigned char)text[i]);
    if (strlen(text) < sizeof lower && lk_words_have(yes, lower, NULL)) hint = ": write true";
    if (strlen(text) < sizeof lower && lk_words_have(no, lower, NULL)) hint = ": write false";
    lk_problems_add(problems, scalar->mark, "%s must be true or false, not '%s'%s%s",
                    lk_option_name(setting->option), text, hint,
                    scalar->quoted && hint[0] ? " without quotes" : "");
    return false;
}

static bool read_word(const lk_tree *scalar, lk_setting *setting, lk_problems *problems)
{
    lk_problems_add(problems, scalar->mark, "%s must be %s, not '%s'%s", lk_option_name(setting->option),
                    lk_suggest_list(problems->pool, setting->option->words), scalar->text,
                    lk_suggest_word(problems->pool, setting->option, scalar->text));
    return false;
}

/* ---- spans of training and of time ---- */

typedef struct when_word {
    const char  *word;
    lk_when_unit unit;
    double       factor;
} when_word;

static const when_word when_words[] = {
    {"epoch", LK_WHEN_EPOCHS, 1},     {"epochs", LK_WHEN_EPOCHS, 1},    {"step", LK_WHEN_STEPS, 1},
    {"steps", LK_WHEN_STEPS, 1},      {"sample", LK_WHEN_SAMPLES, 1},   {"samples", LK_WHEN_SAMPLES, 1},
    {"s", LK_WHEN_SECONDS, 1},        {"sec", LK_WHEN_SECONDS, 1},      {"seconds", LK_WHEN_SECONDS, 1},
    {"min", LK_WHEN_SECONDS, 60},     {"minutes", LK_WHEN_SECONDS, 60}, {"m", LK_WHEN_SECONDS, 60},
    {"minute", LK_WHEN_SECONDS, 60},  {"h", LK_WHEN_SECONDS, 3600},     {"hour", LK_WHEN_SECONDS, 3600},
    {"hours", LK_WHEN_SECONDS, 3600}, {"d", LK_WHEN_SECONDS, 86400},
};

/* "3 epochs", "epoch", "10min", "never" to a span; false if it is none. */
static bool parse_when(const char *text, lk_when *when)
{
    char   number[NUMBER_BYTES];
    size_t n = strspn(text, "0123456789.eE+-");
    while (n > 0 && (text[n - 1] == 'e' || text[n - 1] == 'E')) n--; /* the e of "3epochs" */
    if (!strcmp(text, "never")) {
        *when = (lk_when){LK_WHEN_NEVER, 0};
        return true;
    }
    if (n >= sizeof number) return false;
    memcpy(number, text, n);
    number[n] = '\0';
    if (n && !is_number(number)) return false;
    text += n;
    text += strspn(text, " ");
    for (size_t i = 0; i < sizeof when_words / sizeof *when_words; i++) {
        if (strcmp(when_words[i].word, text) != 0) continue;
        *when = (lk_when){when_words[i].unit, (n ? strtod(number, NULL) : 1) * when_words[i].factor};
        return n || when->unit != LK_WHEN_SECONDS; /* "min" alone says nothing */
    }
    return false;
}

static const char *when_examples(unsigned units)
{
    if (units == LK_UNITS_SECONDS || units == (LK_UNITS_SECONDS | LK_UNITS_NEVER))
        return "a time like 30s, 10min or 2.5h";
    if (units == (LK_UNITS_STEPS | LK_UNITS_NEVER)) return "a number of steps like '500 steps'";
    if (units & LK_UNITS_SECONDS) return "like '3 epochs', '500 steps', '60000 samples' or 10min";
    return "like '3 epochs', '500 steps' or '60000 samples'";
}

static const char *when_text(lk_pool *pool, const lk_when *when)
{
    static const char *const words[] = {"never", "epoch", "step", "sample"};
    const char              *unit = "s";
    double                   count = when->count;
    if (when->unit == LK_WHEN_NEVER) return "never";
    if (when->unit != LK_WHEN_SECONDS)
        return lk_pool_printf(pool, "%s %s%s", lk_value_number_text(pool, count), words[when->unit],
                              count == 1 ? "" : "s");
    if (count >= 3600 && fmod(count, 3600) == 0) {
        count /= 3600;
        unit = "h";
    } else if (count >= 60 && fmod(count, 60) == 0) {
        count /= 60;
        unit = "min";
    }
    return lk_pool_printf(pool, "%s%s", lk_value_number_text(pool, count), unit);
}

static bool read_when(const lk_tree *scalar, lk_setting *setting, lk_problems *problems)
{
    const lk_option *option = setting->option;
    const char      *name = lk_option_name(option), *hint = "";
    lk_when          when;
    if (!parse_when(scalar->text, &when)) {
        if (is_number(scalar->text)) hint = "; the unit is missing";
        lk_problems_add(problems, scalar->mark, "%s must be %s, not '%s'%s", name,
                        when_examples(option->units), scalar->text, hint);
        return false;
    }
    if (!(option->units & 1u << when.unit)) {
        if (when.unit == LK_WHEN_SECONDS) hint = "; results must not depend on the clock";
        lk_problems_add(problems, scalar->mark, "%s must be %s, not '%s'%s", name,
                        when_examples(option->units), scalar->text, hint);
        return false;
    }
    bool counted = when.unit == LK_WHEN_STEPS || when.unit == LK_WHEN_SAMPLES;
    bool positive = option->fallback && option->fallback[0] == '0' ? when.count >= 0 : when.count > 0;
    if (when.unit != LK_WHEN_NEVER &&
        (!positive || !(when.count < 1e15) || (counted && when.count != rint(when.count)))) {
        lk_problems_add(problems, scalar->mark, "%s must be %s, not '%s'", name, when_examples(option->units),
                        scalar->text);
        return false;
    }
    setting->when = when;
    setting->text = when_text(problems->pool, &when);
    setting->plain = true;
    return true;
}

/* ---- texts ---- */

static bool is_name(const char *text)
{
    size_t n = strlen(text);
    if (!n || n > 40) return false;
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && *text != '_' && *text != '-') return false;
    return true;
}

static bool is_axes(const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        if (!strchr("NTCDHW", text[i]) || strchr(text + i + 1, text[i])) return false;
    return n > 0 && n <= 6;
}

static bool read_text(const lk_tree *scalar, lk_setting *setting, lk_problems *problems)
{
    unsigned    flags = setting->option->flags;
    const char *name = lk_option_name(setting->option), *text = scalar->text;
    if (flags & LK_OPTION_FILES && !scalar->quoted && !scalar->mark.set && strpbrk(text, "*?[")) {
        /* Read here as it was meant, but within { } the same pattern would break: so always in quotes. A
         * shell has eaten those of --set. */
        lk_problems_add(problems, scalar->mark, "%s: a file pattern must stand in quotes: \"%s\"", name,
                        text);
        return false;
    }
    if (flags & LK_OPTION_NAME && !is_name(text)) {
        lk_problems_add(problems, scalar->mark, "%s must be 1 to 40 letters, digits, _ or -, not '%s'", name,
                        text);
        return false;
    }
    if (flags & LK_OPTION_AXES && !is_axes(text)) {
        lk_problems_add(problems, scalar->mark,
                        "%s must be letters of N T C D H W, each at most once, not '%s'", name, text);
        return false;
    }
    if (!text[0]) {
        lk_problems_add(problems, scalar->mark, "%s is an empty text", name);
        return false;
    }
    setting->text = text;
    return true;
}

/* Also one number for both of a pair. */
static bool read_pair(const lk_tree *scalar, lk_setting *setting, lk_problems *problems)
{
    char *end = NULL;
    long  rows = strtol(scalar->text, &end, 10), columns = 0;
    bool  both = end != scalar->text && (*end == 'x' || *end == ',');
    if (both) columns = strtol(end + 1, &end, 10);
    if (both && !*end) {
        lk_problems_add(problems, scalar->mark, "%s: write [%ld, %ld], not '%s'",
                        lk_option_name(setting->option), rows, columns, scalar->text);
        return false;
    }
    if (!read_number(scalar, setting, true, problems)) return false;
    setting->pair[0] = setting->pair[1] = setting->integer;
    setting->text = lk_pool_printf(problems->pool, "[%lld, %lld]", (long long)setting->pair[0],
                                   (long long)setting->pair[1]);
    return true;
}

bool lk_value_read(const lk_tree *scalar, lk_setting *setting, lk_problems *problems)
{
    const lk_option *option = setting->option;
    if (lk_tree_is_null(scalar)) {
        lk_problems_add(problems, scalar->mark, "%s has no value", lk_option_name(option));
        return false;
    }
    if (lk_words_have(option->words, scalar->text, NULL)) {
        setting->text = scalar->text;
        setting->word = setting->plain = true;
        return true;
    }
    switch (option->kind) {
    case LK_OPTION_INT:
    case LK_OPTION_INTS:
        return read_number(scalar, setting, true, problems);
    case LK_OPTION_FLOAT:
    case LK_OPTION_FLOATS:
        return read_number(scalar, setting, false, problems);
    case LK_OPTION_BOOL:
        return read_bool(scalar, setting, problems);
    case LK_OPTION_WHEN:
        return read_when(scalar, setting, problems);
    case LK_OPTION_TEXT:
    case LK_OPTION_TEXTS:
        return read_text(scalar, setting, problems);
    case LK_OPTION_PAIR:
        return read_pair(scalar, setting, problems);
    default:
        return read_word(scalar, setting, problems);
    }
}
