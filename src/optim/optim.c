#include "optim/optim.h"

#include <math.h>
#include <stddef.h>

#include "core/status.h"

/* One machine instruction an operation, none fused, so every clone computes the same bits; wider ones are
 * faster. Sanitizers instrument the resolver that picks a clone before they are ready themselves, so they get
 * one version. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define LK_ONE_VERSION 1
#endif
#endif
#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__SANITIZE_ADDRESS__) &&                       \
    !defined(__SANITIZE_THREAD__) && !defined(LK_ONE_VERSION)
#define LK_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define LK_CLONES
#endif
/* Moments of units that died decay below 2^-126, where x86 takes a step of microcode for every number: Adam
 * was measured at 15.5 instead of 0.5 ns an element. Inside lk_optim_update such numbers are 0; the caller's
 * mode comes back at its end. The pass between is a call of its own, so that no compiler moves arithmetic out
 * of the mode. */
#if defined(__x86_64__)
enum { FLUSH_TO_ZERO = 0x8000, DENORMALS_ARE_ZERO = 0x0040 };

static unsigned flush_begin(void)
{
    unsigned mode = __builtin_ia32_stmxcsr();

    __builtin_ia32_ldmxcsr(mode | FLUSH_TO_ZERO | DENORMALS_ARE_ZERO);
    return mode;
}

static void flush_end(unsigned mode)
{
    __builtin_ia32_ldmxcsr(mode);
}
#else
static unsigned flush_begin(void)
{
    return 0;
}

static void flush_end(unsigned mode)
{
    (void)mode;
}
#endif

#define LK_INLINE static inline __attribute__((always_inline))

/** The prologue that all kinds share, with its constants worked out once a tile. */
typedef struct prologue {
    float mean, scale, clip; /* clip: INFINITY when off */
    float l1, l2;
    float shrink; /* rate * weight_decay */
    bool  plain;  /* none of clip, l1, l2, shrink does anything */
} prologue;

static prologue prologue_of(const lk_optim_options *options, const lk_optim_step *step, bool decay)
{
    prologue pro = {.mean = step->mean_scale,
                    .scale = step->grad_scale,
                    .clip = options->clip_value > 0.0f ? options->clip_value : INFINITY};

    if (decay) {
        pro.l1 = options->l1;
        pro.l2 = options->l2;
        pro.shrink = step->rate * options->weight_decay;
    }
    pro.plain = isinf(pro.clip) && pro.l1 == 0.0f && pro.l2 == 0.0f && pro.shrink == 0.0f;
    return pro;
}

/** The gradient that the kind sees. `plain` is a literal at each call, so its branch costs nothing. */
LK_INLINE float prepared(bool plain, const prologue *pro, float g, float p)
{
    float q = pro->scale * (pro->mean * g);

    if (plain) return q;
    q = q > pro->clip ? pro->clip : q;
    q = q < -pro->clip ? -pro->clip : q;
    float sign = (p > 0.0f ? 1.0f : 0.0f) - (p < 0.0f ? 1.0f : 0.0f);
    return (q + pro->l1 * sign) + pro->l2 * p;
}

LK_INLINE float shrunk(bool plain, const prologue *pro, float p)
{
    return plain ? p : p - pro->shrink * p;
}

/*
 * Parameters and moments were last touched a step ago and come from memory. Asking for them 1 KB before their
 * turn lets the reads go on during the divisions and roots, across the 4 KB pages at which the CPU's own
 * prefetching ends: Adam on cold 128 KB takes 17 instead of 24 us. The line behind the end of a buffer is
 * asked for too: no fault.
 */
enum { LINE = 16, AHEAD = 256 };

LK_INLINE void fetch(const float *x)
{
    __builtin_prefetch(x + AHEAD, 1);
}

LK_INLINE void sgd_at(bool plain, const prologue *pro, float rate, int64_t i, float *restrict p,
                      const float *restrict g)
{
    float q = prepared(plain, pro, g[i], p[i]);
    p[i] = shrunk(plain, pro, p[i]) - rate * q;
}

LK_INLINE void sgd_loop(bool plain, prologue pro, float rate, int64_t n, float *restrict p,
                        const float *restrict g)
{
    int64_t at = 0;

    for (; at + LINE <= n; at += LINE) {
        fetch(p + at);
        for (int64_t i = at; i < at + LINE; i++) sgd_at(plain, &pro, rate, i, p, g);
    }
    for (; at < n; at++) sgd_at(plain, &pro, rate, at, p, g);
}

LK_CLONES
static void sgd(prologue pro, float rate, int64_t n, float *restrict p, const float *restrict g)
{
    if (pro.plain)
        sgd_loop(true, pro, rate, n, p, g);
    else
        sgd_loop(false, pro, rate, n, p, g);
}

LK_INLINE void momentum_at(bool plain, bool nesterov, const prologue *pro, float rate, float momentum,
                           int64_t i, float *restrict p, const float *restrict g, float *restrict b)
{
    float q = prepared(plain, pro, g[i], p[i]);
    float bi = momentum * b[i] + q;
    b[i] = bi;
    p[i] = shrunk(plain, pro, p[i]) - rate * (nesterov ? q + momentum * bi : bi);
}

LK_INLINE void momentum_loop(bool plain, bool nesterov, prologue pro, float rate, float momentum, int64_t n,
                             float *restrict p, const float *restrict g, float *restrict b)
{
    int64_t at = 0;

    for (; at + LINE <= n; at += LINE) {
        fetch(p + at);
        fetch(b + at);
        for (int64_t i = at; i < at + LINE; i++)
            momentum_at(plain, nesterov, &pro, rate, momentum, i, p, g, b);
    }
    for (; at < n; at++) momentum_at(plain, nesterov, &pro, rate, momentum, at, p, g, b);
}

LK_CLONES
static void sgd_momentum(prologue pro, bool nesterov, float rate, float momentum, int64_t n,
                         float *restrict p, const float *restrict g, float *restrict b)
{
    if (pro.plain && nesterov)
        momentum_loop(true, true, pro, rate, momentum, n, p, g, b);
    else if (pro.plain)
        momentum_loop(true, false, pro, rate, momentum, n, p, g, b);
    else if (nesterov)
        momentum_loop(false, true, pro, rate, momentum, n, p, g, b);
    else
        momentum_loop(false, false, pro, rate, momentum, n, p, g, b);
}

LK_INLINE void adagrad_at(bool plain, const prologue *pro, float rate, float epsilon, int64_t i,
                          float *restrict p, const float *restrict g, float *restrict a)
{
    float q = prepared(plain, pro, g[i], p[i]);
    float ai = a[i] + q * q;
    a[i] = ai;
    p[i] = shrunk(plain, pro, p[i]) - rate * (q / (sqrtf(ai) + epsilon));
}

LK_INLINE void adagrad_loop(bool plain, prologue pro, float rate, float epsilon, int64_t n, float *restrict p,
                            const float *restrict g, float *restrict a)
{
    int64_t at = 0;

    for (; at + LINE <= n; at += LINE) {
        fetch(p + at);
        fetch(a + at);
        for (int64_t i = at; i < at + LINE; i++) adagrad_at(plain, &pro, rate, epsilon, i, p, g, a);
    }
    for (; at < n; at++) adagrad_at(plain, &pro, rate, epsilon, at, p, g, a);
}

LK_CLONES
static void adagrad(prologue pro, float rate, float epsilon, int64_t n, float *restrict p,
                    const float *restrict g, float *restrict a)
{
    if (pro.plain)
        adagrad_loop(true, pro, rate, epsilon, n, p, g, a);
    else
        adagrad_loop(false, pro, rate, epsilon, n, p, g, a);
}

typedef struct rmsprop_constants {
    float rate, rho, fresh, epsilon, momentum; /* fresh: 1 - rho */
} rmsprop_constants;

/* b is NULL without momentum; then u is the step itself. */
LK_INLINE void rmsprop_at(bool plain, bool heavy, const prologue *pro, const rmsprop_constants *k, int64_t i,
                          float *restrict p, const float *restrict g, float *restrict v, float *restrict b)
{
    float q = prepared(plain, pro, g[i], p[i]);
    float vi = k->rho * v[i] + k->fresh * (q * q);
    float u = q / (sqrtf(vi) + k->epsilon);
    v[i] = vi;
    if (heavy) {
        u = k->momentum * b[i] + u;
        b[i] = u;
    }
    p[i] = shrunk(plain, pro, p[i]) - k->rate * u;
}

LK_INLINE void rmsprop_loop(bool plain, bool heavy, prologue pro, rmsprop_constants k, int64_t n,
                            float *restrict p, const float *restrict g, float *restrict v, float *restrict b)
{
    int64_t at = 0;

    for (; at + LINE <= n; at += LINE) {
        fetch(p + at);
        fetch(v + at);
        if (heavy) fetch(b + at);
        for (int64_t i = at; i < at + LINE; i++) rmsprop_at(plain, heavy, &pro, &k, i, p, g, v, b);
    }
    for (; at < n; at++) rmsprop_at(plain, heavy, &pro, &k, at, p, g, v, b);
}

LK_CLONES
static void rmsprop(prologue pro, rmsprop_constants k, int64_t n, float *restrict p, const float *restrict g,
                    float *restrict v, float *restrict b)
{
    if (pro.plain && b)
        rmsprop_loop(true, true, pro, k, n, p, g, v, b);
    else if (pro.plain)
        rmsprop_loop(true, false, pro, k, n, p, g, v, b);
    else if (b)
        rmsprop_loop(false, true, pro, k, n, p, g, v, b);
    else
        rmsprop_loop(false, false, pro, k, n, p, g, v, b);
}

typedef struct adam_constants {
    float fresh1;        /* 1 - beta1 */
    float beta2, fresh2; /* fresh2 = 1 - beta2 */
    float rate;          /* rate / (1 - beta1^t) */
    float root;          /* 1 / sqrt(1 - beta2^t) */
    float epsilon;
} adam_constants;

static adam_constants adam_constants_of(const lk_optim_options *options, const lk_optim_step *step)
{
    adam_constants k = {.fresh1 = (float)(1.0 - (double)options->beta1),
                        .beta2 = options->beta2,
                        .fresh2 = (float)(1.0 - (double)options->beta2),
                        .rate = (float)((double)step->rate / step->bias1),
                        .root = (float)(1.0 / sqrt(step->bias2)),
                        .epsilon = options->epsilon};

    return k;
}

LK_INLINE void adam_at(bool plain, const prologue *pro, const adam_constants *k, int64_t i, float *restrict p,
                       const float *restrict g, float *restrict m, float *restrict v)
{
    float q = prepared(plain, pro, g[i], p[i]);
    float mi = m[i] + k->fresh1 * (q - m[i]);
    float vi = k->beta2 * v[i] + k->fresh2 * (q * q);
    m[i] = mi;
    v[i] = vi;
    p[i] = shrunk(plain, pro, p[i]) - k->rate * (mi / (sqrtf(vi) * k->root + k->epsilon));
}

LK_INLINE void adam_loop(bool plain, prologue pro, adam_constants k, int64_t n, float *restrict p,
                         const float *restrict g, float *restrict m, float *restrict v)
{
    int64_t at = 0;

    for (; at + LINE <= n; at += LINE) {
        fetch(p + at);
        fetch(m + at);
        fetch(v + at);
        for (int64_t i = at; i < at + LINE; i++) adam_at(plain, &pro, &k, i, p, g, m, v);
    }
    for (; at < n; at++) adam_at(plain, &pro, &k, at, p, g, m, v);
}

LK_CLONES
static void adam(prologue pro, adam_constants k, int64_t n, float *restrict p, const float *restrict g,
                 float *restrict m, float *restrict v)
{
    if (pro.plain)
        adam_loop(true, pro, k, n, p, g, m, v);
    else
        adam_loop(false, pro, k, n, p, g, m, v);
}

lk_optim_step lk_optim_step_make(const lk_optim_options *options, float rate, int64_t step)
{
    lk_optim_step it = {.rate = rate, .step = step, .mean_scale = 1.0f, .grad_scale = 1.0f};
    double        t = (double)step;

    LK_ASSERT(step >= 1);
    it.bias1 = 1.0 - pow((double)options->beta1, t);
    it.bias2 = 1.0 - pow((double)options->beta2, t);
    return it;
}

int lk_optim_n_slots(const lk_optim_options *options)
{
    switch (options->kind) {
    case LK_OPTIM_SGD:
        return options->momentum != 0.0f ? 1 : 0;
    case LK_OPTIM_ADAGRAD:
        return 1;
    case LK_OPTIM_RMSPROP:
        return options->momentum != 0.0f ? 2 : 1;
    case LK_OPTIM_ADAM:
    case LK_OPTIM_ADAMW:
        return 2;
    }
    return 0;
}

const char *lk_optim_slot_name(const lk_optim_options *options, int slot)
{
    switch (options->kind) {
    case LK_OPTIM_SGD:
        return "momentum";
    case LK_OPTIM_ADAGRAD:
        return "sum_of_squares";
    case LK_OPTIM_RMSPROP:
        return slot == 0 ? "mean_square" : "momentum";
    case LK_OPTIM_ADAM:
    case LK_OPTIM_ADAMW:
        return slot == 0 ? "first_moment" : "second_moment";
    }
    return NULL;
}

float lk_optim_slot_initial(const lk_optim_options *options, int slot)
{
    return options->kind == LK_OPTIM_ADAGRAD && slot == 0 ? options->initial : 0.0f;
}

__attribute__((noinline)) static void update(const lk_optim_options *options, const lk_optim_step *step,
                                             bool decay, int64_t n, float *p, const float *g,
                                             float *const slot[])
{
    prologue pro = prologue_of(options, step, decay);

    switch (options->kind) {
    case LK_OPTIM_SGD:
        if (options->momentum != 0.0f)
            sgd_momentum(pro, options->nesterov, step->rate, options->momentum, n, p, g, slot[0]);
        else
            sgd(pro, step->rate, n, p, g);
        break;
    case LK_OPTIM_ADAGRAD:
        adagrad(pro, step->rate, options->epsilon, n, p, g, slot[0]);
        break;
    case LK_OPTIM_RMSPROP: {
        rmsprop_constants k = {step->rate, options->rho, 1.0f - options->rho, options->epsilon,
                               options->momentum};
        rmsprop(pro, k, n, p, g, slot[0], options->momentum != 0.0f ? slot[1] : NULL);
        break;
    }
    case LK_OPTIM_ADAM:
    case LK_OPTIM_ADAMW:
        adam(pro, adam_constants_of(options, step), n, p, g, slot[0], slot[1]);
        break;
    }
}

void lk_optim_update(const lk_optim_options *options, const lk_optim_step *step, bool decay, int64_t n,
                     float *p, const float *g, float *const slot[])
{
    unsigned mode = flush_begin();

    update(options, step, decay, n, p, g, slot);
    flush_end(mode);
}
