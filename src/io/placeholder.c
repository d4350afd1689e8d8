typedef int lk_io_placeholder;
