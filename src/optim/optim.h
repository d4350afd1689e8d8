/** Optimizers: one fused pass over a tile of parameters, gradient and moments. Formula and source at each kind. */
#ifndef LK_OPTIM_OPTIM_H
#define LK_OPTIM_OPTIM_H

#include <stdbool.h>
#include <stdint.h>

typedef enum lk_optim_kind { LK_OPTIM_SGD, LK_OPTIM_ADAGRAD, LK_OPTIM_RMSPROP, LK_OPTIM_ADAM, LK_OPTIM_ADAMW } lk_optim_kind;

typedef struct lk_optim_options {
    lk_optim_kind kind;
    float         learning_rate;
    float         momentum; /* sgd, rmsprop */
    bool          nesterov; /* sgd */
    float         beta1, beta2; /* adam, adamw */
    float         rho;          /* rmsprop: decay of the mean square */
    float         epsilon;
    float         initial;      /* adagrad: accumulator at start */
    float         weight_decay; /* decoupled (adamw; also sgd): p -= rate * weight_decay * p */
    float         l1, l2;       /* coupled, added to the clipped mean gradient: l1 * sign(p) + l2 * p */
    float         clip_value;   /* each element of the mean gradient, after clip_norm; 0: off */
} lk_optim_options;

enum { LK_OPTIM_MAX_SLOTS = 3 };

int         lk_optim_n_slots(const lk_optim_options *options);
const char *lk_optim_slot_name(const lk_optim_options *options, int slot); /* "first_moment", "momentum" ... */
float       lk_optim_slot_initial(const lk_optim_options *options, int slot);

/** What one step knows beside the tile. */
typedef struct lk_optim_step {
    float   rate;       /* learning rate times schedule factor */
    int64_t step;       /* this update's number, from 1: bias correction */
    float   grad_scale; /* clip factor: the mean gradient is multiplied by it first */
} lk_optim_step;

/**
 * Updates p [n] in place from the mean gradient g [n]; slot[i] [n] in place. decay: penalties and weight decay apply.
 * Element by element: the result does not depend on how a buffer is cut into tiles. Local.
 */
void lk_optim_update(const lk_optim_options *options, const lk_optim_step *step, bool decay, int64_t n, float *p,
                     const float *g, float *const slot[]);

#endif
