/* The event model: times that can be worked out by hand. */
#include "lk_test.h"

#include "bench/replay.h"

enum { MOST_HOSTS = 64 };

static const lk_replay_network wires = {.bytes_per_s = 1e9}; /* nothing but wires */

static double step_of(int hosts, int ranks, int64_t bytes, const lk_replay_network *network, lk_sample every,
                      double slowest)
{
    lk_replay *replay = NULL;
    lk_sample  times[MOST_HOSTS];
    assert_ok(lk_replay_create(hosts, ranks, 4 * hosts * ranks, bytes, &replay));
    for (int h = 0; h < hosts; h++) times[h] = every;
    if (slowest > 0) times[hosts - 1].compute = slowest;
    double first = lk_replay_step(replay, network, times), again = lk_replay_step(replay, network, times);
    assert_true(first == again);
    lk_replay_destroy(&replay);
    return first;
}

static void assert_within(double value, double low, double high)
{
    if (!(value >= low && value <= high)) fail_msg("%g is not within %g and %g", value, low, high);
}

/* 8 MB over 1 GB/s: 2 (m - 1) / m times 8 ms, and not more than a segment's way on top. */
static void wires_alone_take_the_bound(void **state)
{
    (void)state;
    for (int m = 2; m <= 8; m *= 2) {
        double bound = 2.0 * (m - 1) / m * 8e6 / wires.bytes_per_s;
        assert_within(step_of(m, 1, 8000000, &wires, (lk_sample){0}, 0), 0.999 * bound, 1.12 * bound);
        assert_within(step_of(m, 2, 8000000, &wires, (lk_sample){0}, 0), 0.999 * bound, 1.12 * bound);
    }
}

static void one_host_only_computes(void **state)
{
    (void)state;
    lk_sample every = {.compute = 0.02, .backward = 0.01, .tail = 0.003};
    assert_within(step_of(1, 2, 8000000, &wires, every, 0), 0.0229999, 0.0230001);
}

static void the_slowest_host_holds_up_all(void **state)
{
    (void)state;
    lk_sample every = {.compute = 0.02};
    double    even = step_of(4, 1, 800000, &wires, every, 0),
           uneven = step_of(4, 1, 800000, &wires, every, 0.05);
    assert_within(uneven - even, 0.029, 0.031);
}

/* 8 MB each way take 8 ms. Behind 80 ms of backward they hide, but for the last of eight spans and the way back of the last
 * but one: nobody looks after that until the last is complete. */
static void sending_hides_behind_backward(void **state)
{
    (void)state;
    lk_sample late = {.compute = 0.1}, early = {.compute = 0.1, .backward = 0.08};
    assert_within(step_of(2, 1, 8000000, &wires, late, 0), 0.1079, 0.1085);
    assert_within(step_of(2, 1, 8000000, &wires, early, 0), 0.1014, 0.1017);
}

/* Two hosts, one short message each way and back: two latencies, and four times the work of a message. */
static void latency_and_work_count_per_message(void **state)
{
    (void)state;
    lk_replay_network slow = {.bytes_per_s = 1e12, .latency_s = 1e-3},
                      busy = {.bytes_per_s = 1e12, .message_s = 1e-3};
    double n = step_of(2, 1, 32, &slow, (lk_sample){0}, 0);
    assert_within(n, 2e-3, 2.01e-3);
    assert_true(step_of(2, 1, 32, &busy, (lk_sample){0}, 0) >= 4e-3);
    assert_true(step_of(16, 1, 4000, &slow, (lk_sample){0}, 0) >= 8e-3); /* four rounds up, four back */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wires_alone_take_the_bound),         cmocka_unit_test(one_host_only_computes),
        cmocka_unit_test(the_slowest_host_holds_up_all),      cmocka_unit_test(sending_hides_behind_backward),
        cmocka_unit_test(latency_and_work_count_per_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
