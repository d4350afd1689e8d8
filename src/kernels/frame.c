#include <string.h>

#include "kernels/conv_internal.h"

lk_frame lk_frame_of_input(const lk_conv_shape *s)
{
    return (lk_frame){.in_h = s->in_h,
                      .in_w = s->in_w,
                      .depth = s->channels,
                      .top = s->pad_top,
                      .left = s->pad_left,
                      .rows = (s->out_h - 1) * s->stride_h + s->kernel_h,
                      .cols = (s->out_w - 1) * s->stride_w + s->kernel_w};
}

int64_t lk_frame_floats(const lk_frame *f)
{
    return f->rows * f->cols * f->depth + LK_FRAME_SLACK;
}

void lk_frame_clear(const lk_frame *f, float *at)
{
    memset(at, 0, (size_t)lk_frame_floats(f) * sizeof *at);
}

void lk_frame_fill(const lk_frame *f, const float *image, float *at)
{
    const int64_t rows = f->rows - f->top < f->in_h ? f->rows - f->top : f->in_h;
    const int64_t cols = f->cols - f->left < f->in_w ? f->cols - f->left : f->in_w;
    if (cols <= 0) return;
    for (int64_t h = 0; h < rows; h++)
        memcpy(at + ((f->top + h) * f->cols + f->left) * f->depth, image + h * f->in_w * f->depth,
               (size_t)(cols * f->depth) * sizeof *at);
}
