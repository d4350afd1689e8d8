#include "kernels/gemm.h"

#include "kernels/ref.h"

int64_t lk_gemm_pack_floats(int64_t n, int64_t k)
{
    return (n + 32) * (k + 32);
}

void lk_dense_forward(int64_t m, int64_t n, int64_t k, const float *x, const float *w, const float *bias,
                      lk_epilogue epilogue, float slope, float *y, float *z, float *pack)
{
    (void)pack;
    lk_ref_dense_forward(m, n, k, x, w, bias, epilogue, slope, y, z);
}

void lk_dense_backward_data(int64_t m, int64_t n, int64_t k, const float *d_y, const float *w, bool add,
                            float *d_x, float *pack)
{
    (void)pack;
    lk_ref_dense_backward_data(m, n, k, d_y, w, add, d_x);
}

int64_t lk_dense_weight_scratch(int n_lanes, int64_t n, int64_t k)
{
    return (n + 32) * (k + 32) * n_lanes;
}

void lk_dense_backward_weight(int n_lanes, const int64_t *start, int64_t n, int64_t k, const float *d_y,
                              const float *x, bool add, float *d_w, float *d_bias, float *scratch)
{
    (void)scratch;
    lk_ref_dense_backward_weight(n_lanes, start, n, k, d_y, x, add, d_w, d_bias);
}

void lk_gemm(int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t row_a, int64_t col_a,
             const float *b, int64_t ldb, bool trans_b, float beta, float *c, int64_t ldc, float *pack)
{
    (void)pack;
    lk_ref_gemm(m, n, k, alpha, a, row_a, col_a, b, ldb, trans_b, beta, c, ldc);
}

bool lk_fold_rows(int n_lanes, const bool *present, int64_t n, float *value, int64_t stride)
{
    bool here[64 * 64]; /* far above any lane count that one call may hold */
    for (int i = 0; i < n_lanes; i++) here[i] = present[i];
    for (int width = 1; width < n_lanes; width *= 2) {
        for (int lo = 0; lo + width < n_lanes; lo += 2 * width) {
            float *left = value + lo * stride, *right = value + (lo + width) * stride;
            if (here[lo] && here[lo + width]) {
                for (int64_t j = 0; j < n; j++) left[j] += right[j];
            } else if (here[lo + width]) {
                for (int64_t j = 0; j < n; j++) left[j] = right[j];
            }
            here[lo] = here[lo] || here[lo + width];
        }
    }
    if (n_lanes > 0 && here[0]) return true;
    for (int64_t j = 0; j < n; j++) value[j] = 0.0f;
    return false;
}
