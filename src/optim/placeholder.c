typedef int lk_optim_placeholder;
