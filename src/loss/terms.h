/** The arithmetic of the losses on short runs of elements; no checks, no weights. Used by loss.c alone. */
#ifndef LK_LOSS_TERMS_H
#define LK_LOSS_TERMS_H

#include <stdint.h>

enum { LK_TERMS_BLOCK = 256 }; /* most elements a call */

/* n <= LK_TERMS_BLOCK elements: term [n] and slope [n] (the derivative of the term by z) from z [n] and y
 * [n]. */
void lk_terms_mse(int n, const float *z, const float *y, float *term, float *slope);
void lk_terms_mae(int n, const float *z, const float *y, float *term, float *slope);
void lk_terms_huber(int n, float delta, const float *z, const float *y, float *term, float *slope);
void lk_terms_binary(int n, const float *z, const float *y, float *term, float *slope);

/**
 * One softmax cross-entropy over z [c], class y. d_z [c] = weight * (p - q), or NULL; may alias z. Returns
 * the term. The exponentials are those of kernels/vec.h; their sum and the logarithm are double.
 */
double lk_terms_softmax(int64_t c, const float *z, int64_t y, float smoothing, float weight, float *d_z);

#endif
