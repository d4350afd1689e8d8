typedef int lk_comm_placeholder;
