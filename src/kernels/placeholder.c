typedef int lk_kernels_placeholder;
