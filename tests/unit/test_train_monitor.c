#include <math.h>

#include "lk_test.h"
#include "train/monitor.h"
#include "train/options.h"

static const double         NONE = (double)NAN;
static const lk_run_options OPTIONS = {.early_stop = {.metric = "validation.loss", .patience = 2}};

/* Evaluation after evaluation; how many there were when the run stopped, 0 if it did not. */
static int stops_after(const double *losses, int n)
{
    lk_run    run = {.options = &OPTIONS};
    lk_scores train = {0}, validation = {0};
    bool      new_best;
    for (int i = 0; i < n; i++) {
        validation.loss = losses[i];
        lk_monitor_decide(&run, &train, &validation, &new_best);
        if (run.progress.stopped_early) return i + 1;
    }
    return 0;
}

static void patience_counts_evaluations_without_an_improvement(void **state)
{
    (void)state;
    assert_int_equal(stops_after((double[]){3, 2, 2, 1, 1, 1, 0}, 7), 6);
    assert_int_equal(stops_after((double[]){3, 2, 2, 1, 1, 0, 0}, 7), 0);
}

/* Nothing is better than NaN by comparison, so one must not become what later ones are measured by. */
static void a_value_that_is_none_is_no_improvement(void **state)
{
    (void)state;
    assert_int_equal(stops_after((double[]){NONE, 3, 2, 1, 0}, 5), 0);
    assert_int_equal(stops_after((double[]){3, NONE, 2, NONE, NONE, 1}, 6), 5);
    assert_int_equal(stops_after((double[]){NONE, NONE, NONE}, 3), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patience_counts_evaluations_without_an_improvement),
        cmocka_unit_test(a_value_that_is_none_is_no_improvement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
