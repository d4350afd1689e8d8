typedef int lk_nn_placeholder;
