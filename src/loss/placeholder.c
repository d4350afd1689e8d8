typedef int lk_loss_placeholder;
