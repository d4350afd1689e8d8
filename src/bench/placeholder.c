typedef int lk_bench_placeholder;
