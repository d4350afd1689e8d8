#include "loss/terms.h"

#include <math.h>
#include <stddef.h>

#include "kernels/vec.h"

void lk_terms_mse(int n, const float *z, const float *y, float *term, float *slope)
{
    for (int i = 0; i < n; i++) {
        float d = z[i] - y[i];
        term[i] = d * d;
        slope[i] = 2.0f * d;
    }
}

void lk_terms_mae(int n, const float *z, const float *y, float *term, float *slope)
{
    for (int i = 0; i < n; i++) {
        float d = z[i] - y[i];
        term[i] = fabsf(d);
        slope[i] = (d > 0.0f ? 1.0f : 0.0f) - (d < 0.0f ? 1.0f : 0.0f);
    }
}

void lk_terms_huber(int n, float delta, const float *z, const float *y, float *term, float *slope)
{
    for (int i = 0; i < n; i++) {
        float d = z[i] - y[i], a = fabsf(d);
        float linear = delta * (a - 0.5f * delta), square = 0.5f * d * d;
        float far = d > 0.0f ? delta : -delta;
        term[i] = a > delta ? linear : square;
        slope[i] = a > delta ? far : d;
    }
}

void lk_terms_binary(int n, const float *z, const float *y, float *term, float *slope)
{
    for (int i = 0; i < n; i++) slope[i] = -fabsf(z[i]); /* so that the exponential never overflows */
    lk_vec_exp(n, slope, slope);
    for (int i = 0; i < n; i++) {
        float e = slope[i], p = (z[i] >= 0.0f ? 1.0f : e) / (1.0f + e);
        slope[i] = p - y[i];
        float positive = z[i] < 0.0f ? 0.0f : z[i]; /* a NaN stays */
        term[i] = (float)((double)positive - (double)z[i] * (double)y[i] + log1p((double)e));
    }
}

double lk_terms_softmax(int64_t c, const float *z, int64_t y, float smoothing, float weight, float *d_z)
{
    float  block[LK_TERMS_BLOCK];
    float  top = z[0];
    double total = 0.0, sum_z = 0.0,
           z_y = (double)z[y]; /* z is read before d_z, which may be the same memory */

    for (int64_t j = 1; j < c; j++) top = z[j] > top ? z[j] : top;
    if (smoothing > 0.0f)
        for (int64_t j = 0; j < c; j++) sum_z += (double)z[j];
    for (int64_t lo = 0; lo < c; lo += LK_TERMS_BLOCK) {
        int64_t n = c - lo < LK_TERMS_BLOCK ? c - lo : LK_TERMS_BLOCK;
        float  *e = d_z ? d_z + lo : block;
        for (int64_t j = 0; j < n; j++) e[j] = z[lo + j] - top;
        lk_vec_exp(n, e, e);
        for (int64_t j = 0; j < n; j++) total += (double)e[j];
    }
    double log_total = (double)top + log(total), s = (double)smoothing;
    if (d_z) {
        float share = (float)((double)weight / total), uniform = (float)((double)weight * s / (double)c);
        for (int64_t j = 0; j < c; j++) d_z[j] = d_z[j] * share - uniform;
        d_z[y] -= (float)((double)weight * (1.0 - s));
    }
    return s > 0.0 ? (1.0 - s) * (log_total - z_y) + s * (log_total - sum_z / (double)c) : log_total - z_y;
}
