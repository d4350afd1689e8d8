#include "kernels/fold.h"

#include <string.h>

#include "kernels/gemm.h"
#include "kernels/vec.h"

int lk_fold_size(int n_lanes)
{
    int size = 1;
    while (size < n_lanes) size *= 2;
    return size;
}

int lk_fold_levels(int n_lanes)
{
    int levels = 1;
    for (int size = 1; size < n_lanes; size *= 2) levels++;
    return levels;
}

bool lk_fold_present(int n_lanes, const int64_t *start, int lo, int size)
{
    if (lo >= n_lanes) return false;
    const int end = lo + size < n_lanes ? lo + size : n_lanes;
    return start[end] > start[lo];
}

int lk_fold_plan(int n_lanes, const int64_t *start, int lo, int size, lk_fold_leaf *leaves)
{
    int n = 0;
    for (int i = 0; i < size && lo + i < n_lanes; i++) {
        if (!lk_fold_present(n_lanes, start, lo + i, 1)) continue;
        lk_fold_leaf *leaf = &leaves[n++];
        *leaf = (lk_fold_leaf){start[lo + i], start[lo + i + 1] - start[lo + i], 0};
        /* It completes each node in which no present lane follows, and adds there if it is on the right of
         * one. */
        for (int half = 1; half < size; half *= 2) {
            const int node = i / (2 * half) * (2 * half);
            if (lk_fold_present(n_lanes, start, lo + i + 1, node + 2 * half - i - 1)) break;
            if (i & half) leaf->merges += lk_fold_present(n_lanes, start, lo + node, half);
        }
    }
    return n;
}

void lk_fold_buffers(const lk_fold_work *work, int lo, int size, float *value)
{
    if (work->leaf(work->context, lo, size, value)) return;
    const int  half = size / 2;
    const bool left = lk_fold_present(work->n_lanes, work->start, lo, half);
    const bool right = lk_fold_present(work->n_lanes, work->start, lo + half, half);
    if (left) lk_fold_buffers(work, lo, half, value);
    if (right) lk_fold_buffers(work, lo + half, half, left ? value + work->floats : value);
    if (left && right) lk_vec_add(work->floats, value, value + work->floats, value);
}

void lk_fold_store(int64_t n, const float *value, bool add, float *target)
{
    if (add)
        lk_vec_add(n, target, value, target);
    else
        memcpy(target, value, (size_t)n * sizeof *target);
}

/* Folds lanes lo .. lo+size-1 into the row of the first of them that is present; returns it, or -1. */
static int fold_rows(int n_lanes, const bool *present, int64_t n, float *value, int64_t stride, int lo,
                     int size)
{
    if (lo >= n_lanes) return -1;
    if (size == 1) return present[lo] ? lo : -1;
    const int left = fold_rows(n_lanes, present, n, value, stride, lo, size / 2);
    const int right = fold_rows(n_lanes, present, n, value, stride, lo + size / 2, size / 2);
    if (left >= 0 && right >= 0)
        lk_vec_add(n, value + left * stride, value + right * stride, value + left * stride);
    return left >= 0 ? left : right;
}

bool lk_fold_rows(int n_lanes, const bool *present, int64_t n, float *value, int64_t stride)
{
    const int at = fold_rows(n_lanes, present, n, value, stride, 0, lk_fold_size(n_lanes));
    if (at == 0) return true;
    for (int64_t j = 0; j < n; j++) value[j] = at > 0 ? value[at * stride + j] : 0.0f;
    return at > 0;
}
