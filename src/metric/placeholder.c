typedef int lk_metric_placeholder;
