typedef int lk_train_placeholder;
