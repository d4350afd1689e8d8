typedef int lk_config_placeholder;
