/* Schedules against hand values, and spans of training against counts. */
#include "lk_test.h"

#include "sched/sched.h"

/* 10 epochs of 103 samples in batches of 10: 11 steps an epoch, the last one short. */
static const lk_position TEN_EPOCHS = {
    .steps_per_epoch = 11, .total_steps = 110, .samples_per_epoch = 103, .batch_size = 10};

static float factor_at(lk_sched_options options, int64_t step)
{
    lk_position position = TEN_EPOCHS;
    float       factor = -1;

    position.step = step;
    assert_ok(lk_sched_factor(&options, &position, &factor));
    return factor;
}

static bool near(float a, double b)
{
    return fabs((double)a - b) < 1e-6;
}

static int64_t steps_of(lk_when_unit unit, double count)
{
    int64_t steps = -1;

    assert_ok(lk_when_steps(&(lk_when){unit, count}, &TEN_EPOCHS, &steps));
    return steps;
}

static void spans_of_training_are_counted_in_steps(void **state)
{
    (void)state;
    assert_int_equal(steps_of(LK_WHEN_NEVER, 5), 0);
    assert_int_equal(steps_of(LK_WHEN_STEPS, 7), 7);
    assert_int_equal(steps_of(LK_WHEN_EPOCHS, 2), 22);
    assert_int_equal(steps_of(LK_WHEN_EPOCHS, 0.5), 6);
    assert_int_equal(steps_of(LK_WHEN_SAMPLES, 1), 1);
    assert_int_equal(steps_of(LK_WHEN_SAMPLES, 100), 10);
    assert_int_equal(steps_of(LK_WHEN_SAMPLES, 103), 11);
    assert_int_equal(steps_of(LK_WHEN_SAMPLES, 206 + 11), 24); /* the short batches are steps of their own */
}

static void short_last_batches_are_counted_as_they_are(void **state)
{
    (void)state;
    assert_int_equal(lk_position_samples(&TEN_EPOCHS, 0), 0);
    assert_int_equal(lk_position_samples(&TEN_EPOCHS, 10), 100);
    assert_int_equal(lk_position_samples(&TEN_EPOCHS, 11), 103);
    assert_int_equal(lk_position_samples(&TEN_EPOCHS, 12), 113);
    assert_int_equal(lk_position_samples(&TEN_EPOCHS, 110), 1030);
}

static void a_clock_may_not_decide(void **state)
{
    (void)state;
    int64_t steps = 0;
    float   factor;

    assert_status(lk_when_steps(&(lk_when){LK_WHEN_SECONDS, 60}, &TEN_EPOCHS, &steps), LK_E_CONFIG);
    assert_non_null(strstr(lk_error_message(), "clock"));
    assert_status(lk_when_steps(&(lk_when){LK_WHEN_STEPS, -1}, &TEN_EPOCHS, &steps), LK_E_CONFIG);
    assert_status(lk_when_steps(&(lk_when){LK_WHEN_STEPS, 1e300}, &TEN_EPOCHS, &steps), LK_E_CONFIG);
    lk_sched_options step = {.kind = LK_SCHED_STEP, .gamma = 0.5f};
    assert_status(lk_sched_factor(&step, &TEN_EPOCHS, &factor), LK_E_CONFIG);
    assert_non_null(strstr(lk_error_message(), "at least one step"));
}

static void factors_are_their_hand_values(void **state)
{
    (void)state;
    lk_sched_options linear = {.kind = LK_SCHED_LINEAR, .to = 0.1f};
    lk_sched_options cosine = {.kind = LK_SCHED_COSINE, .to = 0.2f};
    lk_sched_options step = {.kind = LK_SCHED_STEP, .gamma = 0.5f, .every = {LK_WHEN_EPOCHS, 3}};
    lk_sched_options decay = {.kind = LK_SCHED_EXPONENTIAL, .gamma = 0.25f, .every = {LK_WHEN_EPOCHS, 2}};

    assert_true(factor_at((lk_sched_options){.kind = LK_SCHED_CONSTANT}, 77) == 1);
    assert_true(factor_at(linear, 0) == 1 && near(factor_at(linear, 55), 0.55) &&
                near(factor_at(linear, 109), 0.1 + 0.9 / 110));
    assert_true(near(factor_at(linear, 110), 0.1) && near(factor_at(linear, 500), 0.1)); /* never below */
    assert_true(factor_at(cosine, 0) == 1 && near(factor_at(cosine, 55), 0.6) &&
                near(factor_at(cosine, 110), 0.2));
    assert_true(near(factor_at(cosine, 22), 0.2 + 0.8 * 0.5 * (1 + 0.80901699)));
    assert_true(factor_at(step, 32) == 1 && factor_at(step, 33) == 0.5f && factor_at(step, 66) == 0.25f);
    assert_true(factor_at(decay, 0) == 1 && near(factor_at(decay, 11), 0.5) &&
                near(factor_at(decay, 44), 0.0625));
}

static void warm_up_comes_before_every_kind(void **state)
{
    (void)state;
    for (int kind = LK_SCHED_CONSTANT; kind <= LK_SCHED_COSINE; kind++) {
        lk_sched_options options = {.kind = (lk_sched_kind)kind,
                                    .warmup = {LK_WHEN_STEPS, 10},
                                    .to = 0,
                                    .gamma = 0.5f,
                                    .every = {LK_WHEN_STEPS, 50}};
        for (int64_t s = 0; s < 10; s++) assert_true(near(factor_at(options, s), (double)(s + 1) / 10));
        assert_true(factor_at(options, 10) == 1);
        /* halfway between 10 and 110, one `every` on */
        double half[] = {1, 0.5, 0.5, 0.5, 0.5};
        assert_true(near(factor_at(options, 60), half[kind]));
    }
}

/** Whether the first `done` factors really are equal under both totals. */
static bool equal_so_far(lk_sched_options options, lk_position position, int64_t done, int64_t other)
{
    float a, b;

    for (int64_t s = 0; s < done; s++) {
        lk_position there = position;
        position.step = s;
        there.step = s;
        there.total_steps = other;
        assert_ok(lk_sched_factor(&options, &position, &a));
        assert_ok(lk_sched_factor(&options, &there, &b));
        if (a != b) return false;
    }
    return true;
}

static void a_prefix_is_one_exactly_when_the_factors_are_equal(void **state)
{
    (void)state;
    const int64_t totals[] = {110, 220, 8};

    for (int kind = LK_SCHED_CONSTANT; kind <= LK_SCHED_COSINE; kind++)
        for (int flat = 0; flat < 2; flat++)
            for (int64_t done = 0; done <= 20; done++)
                for (int t = 0; t < 3; t++) {
                    lk_sched_options options = {.kind = (lk_sched_kind)kind,
                                                .warmup = {LK_WHEN_STEPS, 5},
                                                .to = flat ? 1.0f : 0.1f,
                                                .gamma = 0.5f,
                                                .every = {LK_WHEN_STEPS, 50}};
                    lk_position      position = TEN_EPOCHS;
                    position.step = done;
                    if (totals[t] < done) continue;
                    assert_true(lk_sched_is_prefix(&options, &position, totals[t]) ==
                                equal_so_far(options, TEN_EPOCHS, done, totals[t]));
                }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans_of_training_are_counted_in_steps),
        cmocka_unit_test(short_last_batches_are_counted_as_they_are),
        cmocka_unit_test(a_clock_may_not_decide),
        cmocka_unit_test(factors_are_their_hand_values),
        cmocka_unit_test(warm_up_comes_before_every_kind),
        cmocka_unit_test(a_prefix_is_one_exactly_when_the_factors_are_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
