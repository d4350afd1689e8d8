/* Configurations: text to options; what is accepted is rendered, and the rendered text is accepted too. */
#include "fuzz.h"
#include "lockstep/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char      *text = NULL, *rendered = NULL;
    lk_config *config = NULL, *again = NULL;
    if (LK_ALLOC(size + 1, &text) != LK_OK) abort();
    if (size) memcpy(text, bytes, size);
    lk_status st = lk_config_parse(text, "fuzz", NULL, NULL, 0, &config);
    lk_fuzz_expect(st);
    if (st == LK_OK) {
        if (lk_config_render(config, 0, 1, &rendered) != LK_OK) abort();
        if (lk_config_parse(rendered, "rendered", NULL, NULL, 0, &again) != LK_OK) {
            fprintf(stderr, "%s\n%s\n", rendered, lk_error_message());
            abort();
        }
    }
    free(rendered);
    lk_config_destroy(&config);
    lk_config_destroy(&again);
    lk_free(&text);
    return 0;
}
