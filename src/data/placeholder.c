typedef int lk_data_placeholder;
