/**
 * Transcendental functions as scalar formulas of correctly rounded operations (add, multiply, divide, fmaf)
 * and bit shifts only. Every kernel set evaluates exactly these operations, one element a vector lane, so the
 * bits agree. The polynomials are our own Chebyshev fits; the intervals and their errors stand beside them.
 */
#ifndef LK_KERNELS_VEC_MATH_H
#define LK_KERNELS_VEC_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels/gemm.h"

static inline uint32_t lk_bits_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float lk_float_of(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/**
 * exp(x) = 2^k exp(r), k = round(x / ln 2), |r| <= ln(2)/2, exp(r) = 1 + r + r^2 q(r), q of degree 4: 8e-9
 * relative. At most 2 ulp, subnormal results included; overflows to infinity, NaN stays NaN.
 */
static inline float lk_exp(float x)
{
    const float magic =
        12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer, which then sits in the low bits */
    x = x > 89.0f ? 89.0f : x;
    x = x < -105.0f ? -105.0f : x;
    const float t = fmaf(x, 1.44269504f, magic);
    const float k = t - magic;
    float       r = fmaf(k, -0.693359375f, x); /* ln 2 in two parts: the first product is exact */
    r = fmaf(k, 2.12194440e-4f, r);
    float q = fmaf(1.392617612e-3f, r, 8.363173075e-3f);
    q = fmaf(q, r, 4.166655466e-2f);
    q = fmaf(q, r, 1.666657703e-1f);
    q = fmaf(q, r, 0.5f);
    const float p = fmaf(r * r, q, r) + 1.0f;
    /* 2^k in two factors, so that k = 128 and subnormal results need no branch. */
    const uint32_t whole = lk_bits_of(t) - lk_bits_of(magic);
    const uint32_t half = (uint32_t)((int32_t)whole >> 1);
    return p * lk_float_of((half + 127u) << 23) * lk_float_of((whole - half + 127u) << 23);
}

/** 1 / (1 + exp(-x)) by exp(-|x|), which cannot overflow. At most 3 ulp. */
static inline float lk_sigmoid(float x)
{
    const float e = lk_exp(-fabsf(x));
    return (x < 0.0f ? e : 1.0f) / (1.0f + e);
}

/** tanh: odd polynomial below 0.625 (2e-8 relative), else 1 - 2 / (exp(2|x|) + 1) with the sign of x. At most
 * 3 ulp. */
static inline float lk_tanh(float x)
{
    const float a = fabsf(x), u = x * x;
    float       q = fmaf(-6.045165097e-3f, u, 2.096132911e-2f);
    q = fmaf(q, u, -5.384326318e-2f);
    q = fmaf(q, u, 1.333271885e-1f);
    q = fmaf(q, u, -3.333332843e-1f);
    const float small = fmaf(x * u, q, x);
    const float big = copysignf(1.0f - 2.0f / (lk_exp(2.0f * a) + 1.0f), x);
    return a < 0.625f ? small : big;
}

/**
 * Distribution function of the standard normal, Phi(x) = (1 + erf(x / sqrt 2)) / 2, absolute error below
 * 2e-7; *bell = exp(-x^2 / 2), sqrt(2 pi) times its derivative. With y = |x| / sqrt 2: erf(y) = y P(y^2) for
 * y < 1 (4e-8); erfc(y) = t Q(t) exp(-y^2), t = 1 / (1 + 0.4 y), else (2e-8). The form of the tail follows
 * Abramowitz, Stegun, Handbook of Mathematical Functions, 1964, 7.1.26.
 */
static inline float lk_normal_cdf(float x, float *bell)
{
    const float y = 0.70710678f * fabsf(x), u = y * y;
    float       p = fmaf(-5.648059866e-4f, u, 4.921762028e-3f);
    p = fmaf(p, u, -2.671505423e-2f);
    p = fmaf(p, u, 1.128031665e-1f);
    p = fmaf(p, u, -3.761234378e-1f);
    p = fmaf(p, u, 1.128379126f);
    const float t = 1.0f / fmaf(0.4f, y, 1.0f);
    float       q = fmaf(-1.184096989e-1f, t, 2.494093665e-1f);
    q = fmaf(q, t, 1.93238154e-3f);
    q = fmaf(q, t, 2.166098874e-1f);
    q = fmaf(q, t, 1.976968591e-1f);
    q = fmaf(q, t, 2.268624952e-1f);
    q = fmaf(q, t, 2.256163663e-1f);
    *bell = lk_exp(-u);
    const float tail = 0.5f * (t * q * *bell); /* erfc(y) / 2 = Phi(-|x|) */
    const float below = y < 1.0f ? fmaf(-0.5f * y, p, 0.5f) : tail;
    return x > 0.0f ? 1.0f - below : below;
}

/** The activation itself. `slope` for leaky relu. */
static inline float lk_act(lk_epilogue kind, float slope, float x)
{
    float bell;
    switch (kind) {
    case LK_EPI_NONE:
        break;
    case LK_EPI_RELU:
        return x < 0.0f ? 0.0f : x; /* NaN stays NaN */
    case LK_EPI_LEAKY_RELU:
        return x < 0.0f ? slope * x : x;
    case LK_EPI_SIGMOID:
        return lk_sigmoid(x);
    case LK_EPI_TANH:
        return lk_tanh(x);
    case LK_EPI_GELU:
        return x * lk_normal_cdf(x, &bell);
    case LK_EPI_SILU:
        return x * lk_sigmoid(x);
    }
    return x;
}

/** f'(z) of the activations whose derivative cannot be told from their output: gelu and silu. */
static inline float lk_act_derivative(lk_epilogue kind, float z)
{
    if (kind == LK_EPI_GELU) {
        float       bell;
        const float phi = lk_normal_cdf(z, &bell);
        return fmaf(z * 0.39894228f, bell, phi);
    }
    const float s = lk_sigmoid(z);
    return fmaf(s * z, 1.0f - s, s);
}

/** d_y f'(.) from the output y, or from the input z for gelu and silu. */
static inline float lk_act_gradient(lk_epilogue kind, float slope, float y, float z, float d_y)
{
    switch (kind) {
    case LK_EPI_NONE:
        break;
    case LK_EPI_RELU:
        return y > 0.0f ? d_y : 0.0f;
    case LK_EPI_LEAKY_RELU:
        return y < 0.0f ? slope * d_y : d_y; /* slope >= 0: y has the sign of x */
    case LK_EPI_SIGMOID:
        return d_y * (y * (1.0f - y));
    case LK_EPI_TANH:
        return d_y * fmaf(-y, y, 1.0f);
    case LK_EPI_GELU:
    case LK_EPI_SILU:
        return d_y * lk_act_derivative(kind, z);
    }
    return d_y;
}

#endif
