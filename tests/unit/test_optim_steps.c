/* Optimizers: one and three steps by hand, a double twin over many, and cuts that change no bit. */
#include "lk_test.h"

#include "core/rng.h"
#include "optim/optim.h"

enum { N = 1003, STEPS = 25 };

static bool near(float a, double b)
{
    return fabs((double)a - b) <= 2e-6 * (1 + fabs(b));
}

static lk_optim_step step_of(const lk_optim_options *options, float rate, int64_t step, float grad_scale)
{
    lk_optim_step it = lk_optim_step_make(options, rate, step);
    it.grad_scale = grad_scale;
    return it;
}

static void update(const lk_optim_options *options, lk_optim_step step, bool decay, float *p, const float *g,
                   float *const slot[])
{
    lk_optim_update(options, &step, decay, 1, p, g, slot);
}

/** One parameter through the given gradients, the rate 0.1; its value in the end. */
static float after(lk_optim_options options, float p, const float *g, int n)
{
    float  a = lk_optim_slot_initial(&options, 0), b = lk_optim_slot_initial(&options, 1);
    float *slot[] = {&a, &b};

    for (int i = 0; i < n; i++) update(&options, step_of(&options, 0.1f, i + 1, 1), true, &p, &g[i], slot);
    return p;
}

static void sgd_steps_are_those_by_hand(void **state)
{
    (void)state;
    const float      g[] = {1, 2, -1};
    lk_optim_options sgd = {.kind = LK_OPTIM_SGD};

    assert_true(near(after(sgd, 3, g, 3), 3 - 0.1 * (1 + 2 - 1)));
    sgd.momentum = 0.9f; /* b = 1, 2.9, 1.61 */
    assert_true(near(after(sgd, 3, g, 3), 3 - 0.1 * (1 + 2.9 + 1.61)));
    sgd.nesterov = true; /* 1 + 0.9, 2 + 0.9 * 2.9, -1 + 0.9 * 1.61 */
    assert_true(near(after(sgd, 3, g, 3), 3 - 0.1 * (1.9 + 4.61 + 0.449)));
    sgd = (lk_optim_options){.kind = LK_OPTIM_SGD, .weight_decay = 0.5f};
    assert_true(near(after(sgd, 3, g, 1), 3 * (1 - 0.05) - 0.1));
}

static void penalties_come_after_clipping(void **state)
{
    (void)state;
    const float      g[] = {8}, none[] = {0};
    lk_optim_options sgd = {.kind = LK_OPTIM_SGD, .l1 = 0.5f};

    assert_true(near(after(sgd, 3, none, 1), 3 - 0.1 * 0.5));
    assert_true(near(after(sgd, -3, none, 1), -3 + 0.1 * 0.5));
    assert_true(after(sgd, 0, none, 1) == 0);
    sgd = (lk_optim_options){.kind = LK_OPTIM_SGD, .l2 = 0.25f};
    assert_true(near(after(sgd, -2, none, 1), -2 + 0.1 * 0.5));
    sgd.clip_value = 1.5f;
    assert_true(near(after(sgd, -2, g, 1), -2 - 0.1 * (1.5 - 0.5)));
    const float minus[] = {-8};
    assert_true(near(after(sgd, -2, minus, 1), -2 - 0.1 * (-1.5 - 0.5)));
}

static void the_norm_factor_comes_before_clipping_by_value(void **state)
{
    (void)state;
    float            p = 1, g = 8;
    lk_optim_options sgd = {.kind = LK_OPTIM_SGD, .clip_value = 3};

    update(&sgd, step_of(&sgd, 0.1f, 1, 0.25f), true, &p, &g, NULL);
    assert_true(near(p, 1 - 0.1 * 2));
    update(&sgd, step_of(&sgd, 0.1f, 2, 0.5f), true, &p, &g, NULL);
    assert_true(near(p, 1 - 0.1 * 5));
}

static void biases_are_spared_penalties_and_decay(void **state)
{
    (void)state;
    float            p = 4, g = 1;
    lk_optim_options sgd = {.kind = LK_OPTIM_SGD, .l1 = 1, .l2 = 1, .weight_decay = 1};

    update(&sgd, step_of(&sgd, 0.5f, 1, 1), false, &p, &g, NULL);
    assert_true(p == 3.5f);
    update(&sgd, step_of(&sgd, 0.5f, 2, 1), true, &p, &g, NULL);
    assert_true(near(p, 3.5 - 0.5 * 3.5 - 0.5 * (1 + 1 + 3.5)));
}

static void adaptive_steps_are_those_by_hand(void **state)
{
    (void)state;
    const float      g[] = {2, -1};
    lk_optim_options adagrad = {.kind = LK_OPTIM_ADAGRAD, .epsilon = 1e-3f, .initial = 0.5f};
    lk_optim_options rmsprop = {.kind = LK_OPTIM_RMSPROP, .rho = 0.75f, .epsilon = 1e-3f};
    lk_optim_options adam = {.kind = LK_OPTIM_ADAM, .beta1 = 0.75f, .beta2 = 0.5f, .epsilon = 1e-3f};

    /* accumulator 4.5, 5.5 */
    assert_true(near(after(adagrad, 3, g, 2), 3 - 0.1 * 2 / (sqrt(4.5) + 1e-3) + 0.1 / (sqrt(5.5) + 1e-3)));
    /* mean square 1, 1; u = 2 / 1.001, -1 / 1.001 */
    assert_true(near(after(rmsprop, 3, g, 2), 3 - 0.1 * (2 - 1) / 1.001));
    rmsprop.momentum = 0.5f; /* b = u1, u2 + u1 / 2 = 0 */
    assert_true(near(after(rmsprop, 3, g, 2), 3 - 0.1 * 2 / 1.001));
    /* m 0.5, 0.125; v 2, 1.5; corrections 0.25, 0.4375 and 0.5, 0.75: m^ 2, 2/7; v^ 4, 2 */
    assert_true(near(after(adam, 3, g, 2), 3 - 0.1 * (2 / 2.001 + 2.0 / 7 / (sqrt(2) + 1e-3))));
    lk_optim_options adamw = adam;
    adamw.kind = LK_OPTIM_ADAMW;
    adamw.weight_decay = 0.5f;
    assert_true(near(after(adamw, 3, g, 1), 3 * 0.95 - 0.1 * 2 / 2.001));
    adam.l2 = 0.5f; /* coupled: the gradient is 2 + 1.5, and its size falls out of the first step */
    assert_true(near(after(adam, 3, g, 1), 3 - 0.1 * 3.5 / 3.501));
}

/** The docstring's formulas, one parameter, in double. */
static void twin_update(const lk_optim_options *o, const lk_optim_step *step, bool decay, double *p, double g,
                        double *s)
{
    double rate = (double)step->rate, q = (double)step->grad_scale * g, limit = (double)o->clip_value,
           old = *p;
    double b1 = (double)o->beta1, b2 = (double)o->beta2, mu = (double)o->momentum, eps = (double)o->epsilon;
    double t = (double)step->step;

    if (limit > 0) q = fmax(fmin(q, limit), -limit);
    if (decay) {
        q += (double)o->l1 * ((old > 0) - (old < 0)) + (double)o->l2 * old;
        *p = old - rate * (double)o->weight_decay * old;
    }
    switch (o->kind) {
    case LK_OPTIM_SGD:
        s[0] = mu * s[0] + q;
        *p -= rate * (o->nesterov ? q + mu * s[0] : s[0]);
        break;
    case LK_OPTIM_ADAGRAD:
        s[0] += q * q;
        *p -= rate * q / (sqrt(s[0]) + eps);
        break;
    case LK_OPTIM_RMSPROP:
        s[0] = (double)o->rho * s[0] + (1 - (double)o->rho) * q * q;
        s[1] = mu * s[1] + q / (sqrt(s[0]) + eps);
        *p -= rate * s[1];
        break;
    default:
        s[0] = b1 * s[0] + (1 - b1) * q;
        s[1] = b2 * s[1] + (1 - b2) * q * q;
        *p -= rate * (s[0] / (1 - pow(b1, t))) / (sqrt(s[1] / (1 - pow(b2, t))) + eps);
        break;
    }
}

static const lk_optim_options KINDS[] = {
    {.kind = LK_OPTIM_SGD},
    {.kind = LK_OPTIM_SGD, .weight_decay = 0.1f, .clip_value = 0.8f},
    {.kind = LK_OPTIM_SGD, .momentum = 0.9f},
    {.kind = LK_OPTIM_SGD, .momentum = 0.9f, .nesterov = true},
    {.kind = LK_OPTIM_SGD, .momentum = 0.9f, .l1 = 0.01f, .l2 = 0.1f},
    {.kind = LK_OPTIM_SGD, .momentum = 0.9f, .nesterov = true, .l2 = 0.1f, .clip_value = 1},
    {.kind = LK_OPTIM_ADAGRAD, .epsilon = 1e-5f, .initial = 0.1f},
    {.kind = LK_OPTIM_ADAGRAD, .epsilon = 1e-5f, .l2 = 0.1f},
    {.kind = LK_OPTIM_RMSPROP, .rho = 0.9f, .epsilon = 1e-5f},
    {.kind = LK_OPTIM_RMSPROP, .rho = 0.9f, .epsilon = 1e-5f, .l1 = 0.01f},
    {.kind = LK_OPTIM_RMSPROP, .rho = 0.9f, .epsilon = 1e-5f, .momentum = 0.8f},
    {.kind = LK_OPTIM_RMSPROP, .rho = 0.9f, .epsilon = 1e-5f, .momentum = 0.8f, .clip_value = 1},
    {.kind = LK_OPTIM_ADAM, .beta1 = 0.9f, .beta2 = 0.99f, .epsilon = 1e-5f},
    {.kind = LK_OPTIM_ADAM,
     .beta1 = 0.9f,
     .beta2 = 0.99f,
     .epsilon = 1e-5f,
     .l1 = 0.01f,
     .l2 = 0.1f,
     .clip_value = 1},
    {.kind = LK_OPTIM_ADAMW, .beta1 = 0.9f, .beta2 = 0.99f, .epsilon = 1e-5f, .weight_decay = 0.1f},
};
enum { N_KINDS = sizeof KINDS / sizeof *KINDS };

/** Parameters of a run of STEPS steps; each step updates pieces of `piece` elements, the last shorter. */
typedef struct run {
    float p[N + 8], slot[2][N + 8], g[N + 8];
} run;

static float gradient_of(int step, int i)
{
    lk_rng rng = lk_rng_make(3, LK_RNG_TEST, 0, step, 0);

    return lk_rng_normal(&rng, (uint64_t)i);
}

static void take_steps(const lk_optim_options *options, run *r, int shift, int piece)
{
    for (int i = 0; i < N; i++) {
        r->p[shift + i] = i % 7 == 0 ? 0.0f : gradient_of(99, i);
        for (int s = 0; s < 2; s++) r->slot[s][shift + i] = lk_optim_slot_initial(options, s);
    }
    for (int t = 1; t <= STEPS; t++) {
        lk_optim_step step = step_of(options, 0.05f / (float)t, t, 0.5f);
        for (int i = 0; i < N; i++) r->g[shift + i] = gradient_of(t, i);
        for (int lo = 0; lo < N; lo += piece) {
            float *slot[] = {r->slot[0] + shift + lo, r->slot[1] + shift + lo};
            lk_optim_update(options, &step, true, N - lo < piece ? N - lo : piece, r->p + shift + lo,
                            r->g + shift + lo, slot);
        }
    }
}

static void many_steps_follow_the_double_twin(void **state)
{
    (void)state;
    static run r;

    for (int k = 0; k < N_KINDS; k++) {
        take_steps(&KINDS[k], &r, 0, N);
        for (int i = 0; i < N; i += 13) {
            double p = i % 7 == 0 ? 0.0 : (double)gradient_of(99, i);
            double s[] = {(double)lk_optim_slot_initial(&KINDS[k], 0), 0};
            for (int t = 1; t <= STEPS; t++) {
                lk_optim_step step = step_of(&KINDS[k], 0.05f / (float)t, t, 0.5f);
                twin_update(&KINDS[k], &step, true, &p, (double)gradient_of(t, i), s);
            }
            /* 25 roundings of floats near 1, and sign(p) of l1 may differ where p passes 0 */
            double slack = KINDS[k].l1 > 0 && fabs(p) < 0.05 ? 5e-3 : 1e-5;
            if (fabs(p - (double)r.p[i]) > slack)
                fail_msg("kind %d, element %d: %.8g, twin %.8g", k, i, (double)r.p[i], p);
        }
    }
}

static void cuts_into_tiles_change_no_bit(void **state)
{
    (void)state;
    static run whole, cut;
    const int  pieces[] = {1, 3, 16, 17, 100};

    for (int k = 0; k < N_KINDS; k++) {
        take_steps(&KINDS[k], &whole, 0, N);
        for (int c = 0; c < 5; c++) {
            int shift = c % 3; /* other alignments as well */
            take_steps(&KINDS[k], &cut, shift, pieces[c]);
            assert_memory_equal(whole.p, cut.p + shift, N * sizeof(float));
            for (int s = 0; s < lk_optim_n_slots(&KINDS[k]); s++)
                assert_memory_equal(whole.slot[s], cut.slot[s] + shift, N * sizeof(float));
        }
    }
}

#if defined(__x86_64__)
static void fading_moments_end_at_zero_and_the_mode_comes_back(void **state)
{
    (void)state;
    volatile float tiny = 1e-39f;
    float          p = 1, g = 0, m = tiny, v = tiny;
    float         *slot[] = {&m, &v};

    update(&KINDS[12], step_of(&KINDS[12], 0.1f, 1, 1), true, &p, &g, slot);
    assert_true(m == 0 && v == 0 && p == 1);
    assert_true(tiny * 0.5f != 0); /* the caller's arithmetic is what it was */
}
#endif

static void slots_have_names_and_starts(void **state)
{
    (void)state;
    const int slots[N_KINDS] = {0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2};

    for (int k = 0; k < N_KINDS; k++) {
        assert_int_equal(lk_optim_n_slots(&KINDS[k]), slots[k]);
        if (slots[k] == 2)
            assert_string_not_equal(lk_optim_slot_name(&KINDS[k], 0), lk_optim_slot_name(&KINDS[k], 1));
        for (int s = 0; s < slots[k]; s++)
            assert_true(lk_optim_slot_initial(&KINDS[k], s) == KINDS[k].initial);
    }
    assert_string_equal(lk_optim_slot_name(&KINDS[12], 0), "first_moment");
    assert_string_equal(lk_optim_slot_name(&KINDS[12], 1), "second_moment");
    assert_string_equal(lk_optim_slot_name(&KINDS[2], 0), "momentum");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgd_steps_are_those_by_hand),
        cmocka_unit_test(penalties_come_after_clipping),
        cmocka_unit_test(the_norm_factor_comes_before_clipping_by_value),
        cmocka_unit_test(biases_are_spared_penalties_and_decay),
        cmocka_unit_test(adaptive_steps_are_those_by_hand),
        cmocka_unit_test(many_steps_follow_the_double_twin),
        cmocka_unit_test(cuts_into_tiles_change_no_bit),
#if defined(__x86_64__)
        cmocka_unit_test(fading_moments_end_at_zero_and_the_mode_comes_back),
#endif
        cmocka_unit_test(slots_have_names_and_starts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
