/**
 * Optimizers: one fused pass over a tile of parameters, gradient and moments. Formula and source at each kind.
 *
 * Every kind first makes the gradient q that it works with, and shrinks the parameter where weights decay:
 *   q = clamp(grad_scale * (mean_scale * g), -clip_value, clip_value) + l1 * sign(p) + l2 * p
 *   p = p - rate * weight_decay * p
 * (l1, l2, weight_decay only where `decay`; sign(0) = 0; clamp only if clip_value > 0). The product with the
 * decayed parameter is taken from the value before the step, as PyTorch's AdamW does. Then, with t = step->step:
 *
 * SGD      b = momentum * b + q
 *          p -= rate * b;   nesterov: p -= rate * (q + momentum * b);   momentum 0: b = q
 *          PyTorch's form: the rate stands outside b. Keras keeps rate * b as velocity, which differs once the
 *          rate changes. Source: Sutskever et al., ICML 2013, eq. 1-4, in PyTorch's arrangement.
 * ADAGRAD  a += q^2;   p -= rate * q / (sqrt(a) + epsilon)
 *          a starts at `initial`: PyTorch 0, Keras 0.1 (and epsilon inside the root).
 *          Source: Duchi, Hazan, Singer, JMLR 12, 2011, sec. 1.1, diagonal form.
 * RMSPROP  v = rho * v + (1 - rho) * q^2;   u = q / (sqrt(v) + epsilon)
 *          b = momentum * b + u;   p -= rate * b
 *          PyTorch's form (alpha is rho); Keras has sqrt(v + epsilon) and the rate inside b.
 *          Source: Hinton, Neural Networks for Machine Learning, lecture 6e, 2012.
 * ADAM     m = m + (1 - beta1) (q - m);   v = beta2 * v + (1 - beta2) * q^2
 *          p -= rate / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
 *          PyTorch's form; Keras (the paper's last remark of sec. 2) adds epsilon to sqrt(v) uncorrected.
 *          Source: Kingma, Ba, ICLR 2015, algorithm 1.
 * ADAMW    ADAM with weight_decay decoupled as above. As in PyTorch and Keras the decay is multiplied by the
 *          rate; the paper multiplies by the schedule's factor alone.
 *          Source: Loshchilov, Hutter, ICLR 2019, algorithm 2.
 */
#ifndef LK_OPTIM_OPTIM_H
#define LK_OPTIM_OPTIM_H

#include <stdbool.h>
#include <stdint.h>

typedef enum lk_optim_kind {
    LK_OPTIM_SGD,
    LK_OPTIM_ADAGRAD,
    LK_OPTIM_RMSPROP,
    LK_OPTIM_ADAM,
    LK_OPTIM_ADAMW
} lk_optim_kind;

typedef struct lk_optim_options {
    lk_optim_kind kind;
    float         learning_rate;
    float         momentum;     /* sgd, rmsprop */
    bool          nesterov;     /* sgd */
    float         beta1, beta2; /* adam, adamw */
    float         rho;          /* rmsprop: decay of the mean square */
    float         epsilon;
    float         initial;      /* adagrad: accumulator at start */
    float         weight_decay; /* decoupled (adamw; also sgd): p -= rate * weight_decay * p */
    float         l1, l2;       /* coupled, added to the clipped mean gradient: l1 * sign(p) + l2 * p */
    float         clip_value;   /* each element of the mean gradient, after clip_norm; 0: off */
} lk_optim_options;

enum { LK_OPTIM_MAX_SLOTS = 3 };

/** Moment buffers the kind keeps: sgd 0 or (momentum) 1, adagrad 1, rmsprop 1 or (momentum) 2, adam and
 * adamw 2. */
int         lk_optim_n_slots(const lk_optim_options *options);
const char *lk_optim_slot_name(const lk_optim_options *options,
                               int                     slot); /* "first_moment", "momentum" ... */
float       lk_optim_slot_initial(const lk_optim_options *options, int slot);

/** What one step knows beside the tile; made by lk_optim_step_make, which leaves both scales at 1. */
typedef struct lk_optim_step {
    float   rate;         /* learning rate times schedule factor */
    int64_t step;         /* this update's number, from 1 */
    float   mean_scale;   /* mean_scale * g, rounded, is the mean gradient: 1 / weight where g is a sum */
    float   grad_scale;   /* clip factor: the mean gradient is multiplied by it first */
    double  bias1, bias2; /* 1 - beta^step: Adam's corrections */
} lk_optim_step;
lk_optim_step lk_optim_step_make(const lk_optim_options *options, float rate, int64_t step);

/**
 * Updates p [n] in place from the gradient g [n]; slot[i] [n] in place, as many as lk_optim_n_slots.
 * Buffers must not overlap. decay: penalties and weight decay apply. Element by element: the result does not
 * depend on how a buffer is cut into tiles. Products, sums, quotients and roots are single IEEE operations,
 * never contracted, so it does not depend on the vector width either. On x86
 * numbers below 2^-126 count as 0 (moments that fade would slow the step 30 times); other CPUs keep them.
 * Local.
 */
void lk_optim_update(const lk_optim_options *options, const lk_optim_step *step, bool decay, int64_t n,
                     float *p, const float *g, float *const slot[]);

#endif
