/* Every key and every name of every shipped configuration with one letter deleted, swapped or inserted:
 * refused, at the right place, with the right suggestion. */
#include "lk_test.h"

#include <glob.h>
#include <yaml.h>

#include "lockstep/config.h"

enum { MOST_WORDS = 400, MOST_DEPTH = 32 };

/* A key, or a name that stands where a choice is made (`- flatten`, `loss: mse`). */
typedef struct word {
    char   text[64];
    size_t index; /* byte in the file */
    int    line, column;
} word;

typedef struct words {
    word list[MOST_WORDS];
    int  n;
} words;

static char *read_text(const char *path)
{
    FILE  *file = fopen(path, "r");
    char  *text = calloc(1, 1 << 16);
    size_t n = file && text ? fread(text, 1, (1 << 16) - 1, file) : 0;
    if (file) fclose(file);
    assert_true(n > 0);
    return text;
}

static bool one_of(const char *text, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(text, *list)) return true;
    return false;
}

static void add_word(words *found, const yaml_event_t *event)
{
    word *w = &found->list[found->n++];
    assert_true(found->n < MOST_WORDS);
    snprintf(w->text, sizeof w->text, "%s", (const char *)event->data.scalar.value);
    w->index = event->start_mark.index;
    w->line = (int)event->start_mark.line + 1;
    w->column = (int)event->start_mark.column + 1;
}

/* Walks the events with a stack of containers; the words of a map stand at every other scalar. */
static void find_words(const char *text, words *found)
{
    static const char *const choices[] = {"model",     "layers",   "shortcut", "loss",    "metrics",
                                          "optimizer", "schedule", "shuffle",  "augment", NULL};
    static const char *const free_names[] = {"inputs", "targets", NULL};
    struct {
        bool is_map, want_key, choice, free_names;
        char key[64];
    } at[MOST_DEPTH] = {{0}};
    int           depth = 0;
    yaml_parser_t parser;
    yaml_event_t  event;
    assert_true(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, strlen(text));
    for (bool more = true; more;) {
        assert_true(yaml_parser_parse(&parser, &event));
        bool opens = event.type == YAML_MAPPING_START_EVENT || event.type == YAML_SEQUENCE_START_EVENT;
        bool key = event.type == YAML_SCALAR_EVENT && at[depth].is_map && at[depth].want_key;
        if (event.type == YAML_MAPPING_END_EVENT || event.type == YAML_SEQUENCE_END_EVENT) {
            depth--;
        } else if (key) {
            snprintf(at[depth].key, sizeof at[depth].key, "%s", (const char *)event.data.scalar.value);
            if (!at[depth].free_names) add_word(found, &event);
            at[depth].want_key = false;
        } else if (event.type == YAML_SCALAR_EVENT || opens) {
            bool value = at[depth].is_map; /* of the key before it */
            bool choice = value ? one_of(at[depth].key, choices) : at[depth].choice;
            bool names = value && one_of(at[depth].key, free_names);
            if (event.type == YAML_SCALAR_EVENT && choice) add_word(found, &event);
            at[depth].want_key = value;
            if (opens) {
                assert_true(++depth < MOST_DEPTH);
                at[depth].is_map = at[depth].want_key = event.type == YAML_MAPPING_START_EVENT;
                at[depth].choice = event.type == YAML_SEQUENCE_START_EVENT && choice;
                at[depth].free_names = names;
            }
        }
        more = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
}

typedef struct tally {
    int mutants, accepted, misplaced, silent;
} tally;

/* The line of the message that begins with the place; NULL without one. */
static const char *line_at(const char *message, const char *file, const word *w)
{
    char place[128];
    int  n = snprintf(place, sizeof place, "%s:%d:%d: ", file, w->line, w->column);
    for (const char *line = message; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (!strncmp(line, place, (size_t)n)) return line;
    return NULL;
}

static void try_mutant(const char *file, const char *text, const word *w, const char *mutant, tally *t)
{
    char      *changed = malloc(strlen(text) + strlen(mutant) + 1), wanted[96];
    lk_config *config = NULL;
    size_t     behind = w->index + strlen(w->text);
    assert_non_null(changed);
    sprintf(changed, "%.*s%s%s", (int)w->index, text, mutant, text + behind);
    lk_status   st = lk_config_parse(changed, file, NULL, NULL, 0, &config);
    const char *line = st == LK_E_CONFIG ? line_at(lk_error_message(), file, w) : NULL;
    size_t      n = line ? strcspn(line, "\n") : 0;
    snprintf(wanted, sizeof wanted, "'%s'", w->text);
    const char *answer = line ? strstr(line, "did you mean ") : NULL;
    if (answer) answer = strstr(answer, wanted);
    t->mutants++;
    t->accepted += st != LK_E_CONFIG;
    t->misplaced += st == LK_E_CONFIG && !line;
    t->silent += line && !(answer && answer < line + n);
    if (st != LK_E_CONFIG) print_error("%s: '%s' for '%s' was accepted\n", file, mutant, w->text);
    if (st == LK_E_CONFIG && !line)
        print_error("%s: '%s' for '%s', line %d column %d: %s\n", file, mutant, w->text, w->line, w->column,
                    lk_error_message());
    if (line && !(answer && answer < line + n))
        print_message("no right suggestion for '%s' (%s): %.*s\n", mutant, w->text, (int)n, line);
    lk_config_destroy(&config);
    free(changed);
}

/* One letter less at each place, two neighbours exchanged at each place, one letter more at each place. */
static void mutate(const char *file, const char *text, const word *w, tally *t)
{
    static const char letters[] = "etaoinsrhldu_";
    char              mutant[96];
    int               n = (int)strlen(w->text);
    for (int i = 0; i < n; i++) {
        snprintf(mutant, sizeof mutant, "%.*s%s", i, w->text, w->text + i + 1);
        if (n > 1) try_mutant(file, text, w, mutant, t);
    }
    for (int i = 0; i + 1 < n; i++) {
        snprintf(mutant, sizeof mutant, "%s", w->text);
        mutant[i] = w->text[i + 1];
        mutant[i + 1] = w->text[i];
        if (mutant[i] != mutant[i + 1]) try_mutant(file, text, w, mutant, t);
    }
    for (int i = 0; i <= n; i++) {
        snprintf(mutant, sizeof mutant, "%.*s%c%s", i, w->text, letters[t->mutants % 13], w->text + i);
        try_mutant(file, text, w, mutant, t);
    }
}

static void one_letter_wrong_is_placed_and_guessed(void **state)
{
    (void)state;
    glob_t shipped = {0};
    tally  t = {0};
    assert_int_equal(glob(LK_SOURCE_DIR "/data/*/*.yaml", 0, NULL, &shipped), 0);
    assert_true(shipped.gl_pathc >= 7);
    for (size_t i = 0; i < shipped.gl_pathc; i++) {
        static words found;
        char        *text = read_text(shipped.gl_pathv[i]);
        lk_config   *config = NULL;
        const char  *file = strrchr(shipped.gl_pathv[i], '/') + 1;
        assert_ok(lk_config_parse(text, file, NULL, NULL, 0, &config));
        lk_config_destroy(&config);
        found.n = 0;
        find_words(text, &found);
        for (int k = 0; k < found.n; k++) mutate(file, text, &found.list[k], &t);
        free(text);
    }
    globfree(&shipped);
    print_message("%d mutants: %d accepted, %d without their place, %d without the right suggestion\n",
                  t.mutants, t.accepted, t.misplaced, t.silent);
    assert_true(t.mutants >= 500);
    assert_int_equal(t.accepted, 0);
    assert_int_equal(t.misplaced, 0);
    assert_true(t.silent * 20 <= t.mutants);
    assert_int_equal(lk_status_exit_code(LK_E_CONFIG), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_letter_wrong_is_placed_and_guessed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
