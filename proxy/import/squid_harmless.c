// Names that have the same answer stand in one string, with a blank between them. What is about how fast clients are, or about
// logins that an acl asks for, is left out: those acls are judged where http_access names them.
#include "proxy/import/squid_harmless.h"

enum { SHOWN = 100 };

static const struct {
    const char *names;
    enum import_weight weight;
    const char *why;
} harmless[] = {
    {"broken_vary_encoding cache cache_dir cache_mem cache_miss_revalidate cache_replacement_policy cache_stoplist "
     "cache_stoplist_pattern cache_store_log cache_swap_high cache_swap_log cache_swap_low cache_swap_state cache_vary "
     "collapsed_forwarding collapsed_forwarding_access collapsed_forwarding_shared_entries_limit diskd_program esi_parser "
     "external_refresh_check global_internal_static ie_refresh ignore_ims_on_miss max_open_disk_fds max_stale "
     "maximum_object_size maximum_object_size_in_memory memory_cache_mode memory_cache_shared memory_pools "
     "memory_pools_limit memory_replacement_policy minimum_expiry_time minimum_object_size negative_ttl no_cache "
     "offline_mode paranoid_hit_validation quick_abort_max quick_abort_min quick_abort_pct range_offset_limit "
     "read_ahead_gap refresh_all_ims refresh_pattern refresh_stale_hit reload_into_ims send_hit "
     "shared_transient_entries_limit store_avg_object_size store_dir_select_algorithm store_id_access store_id_bypass "
     "store_id_children store_id_extras store_id_program store_miss store_objects_per_bucket storeurl_access "
     "storeurl_rewrite_access storeurl_rewrite_bypass storeurl_rewrite_children storeurl_rewrite_program update_headers "
     "unlinkd_program vary_ignore_expire",
     IMPORT_REMARK, "nothing is cached here"},
    {"background_ping_rate dead_peer_timeout digest_bits_per_entry digest_generation digest_rebuild_chunk_percentage "
     "digest_rebuild_period digest_rewrite_period digest_swapout_chunk_size hierarchy_stoplist htcp_access "
     "htcp_clr_access htcp_port icp_access icp_hit_stale icp_port icp_query_timeout log_icp_queries mcast_groups "
     "mcast_icp_query_timeout maximum_icp_query_timeout minimum_direct_hops minimum_direct_rtt minimum_icp_query_timeout "
     "netdb_filename netdb_high netdb_low netdb_ping_period pinger_enable pinger_program prefer_direct query_icmp "
     "test_reachability udp_incoming_address udp_outgoing_address udp_port",
     IMPORT_REMARK, "there are no siblings here"},
    {"snmp_access snmp_incoming_address snmp_outgoing_address snmp_port stats_collection cachemgr_passwd",
     IMPORT_REMARK, "metrics are for Prometheus: `admin` in docs/CONFIG.md"},
    {"access_log buffered_logs cache_access_log client_netmask emulate_httpd_log forward_log log_access log_fqdn "
     "log_ip_on_direct log_mime_hdrs log_uses_indirect_client logfile_daemon logformat note referer_log referrer_log "
     "strip_query_terms useragent_log",
     IMPORT_REMARK, "the audit log has each decision: `audit` in docs/CONFIG.md"},
    {"logfile_rotate", IMPORT_REMARK, "the audit log is renamed from outside: docs/AUDIT.md"},
    {"cache_log cache_log_message", IMPORT_REMARK, "the log goes to stderr: docs/OPERATIONS.md"},
    {"debug_options high_memory_warning high_page_fault_warning high_response_time_warning",
     IMPORT_REMARK, "`log` in docs/CONFIG.md"},
    {"accept_filter cache_effective_group cache_effective_user chroot cpu_affinity_map hopeless_kid_revival_delay "
     "incoming_dns_average incoming_http_average incoming_icp_average incoming_rate incoming_tcp_average "
     "incoming_udp_average max_filedesc max_filedescriptors min_dns_poll_cnt min_http_poll_cnt min_icp_poll_cnt "
     "min_tcp_poll_cnt min_udp_poll_cnt pid_filename shared_memory_locking sleep_after_fork tcp_recv_bufsize umask "
     "windows_ipaddrchangemonitor",
     IMPORT_REMARK, "the unit of the service manager says how it runs: docs/OPERATIONS.md"},
    {"coredump_dir", IMPORT_REMARK, "there are no core dumps"},
    {"announce_file announce_host announce_period announce_port cache_mgr hostname_aliases "
     "httpd_suppress_version_string mail_from mail_program unique_hostname visible_hostname",
     IMPORT_REMARK, "it names itself `sallyport`, and no version"},
    {"deny_info email_err_data err_html_text err_page_stylesheet error_default_language error_directory "
     "error_log_languages error_map icon_directory short_icon_urls",
     IMPORT_REMARK, "a refusal names its rule or reason, and an id"},
    {"ftp_client_idle_timeout ftp_eprt ftp_epsv ftp_epsv_all ftp_list_width ftp_passive ftp_sanitycheck "
     "ftp_telnet_protocol ftp_user mime_table wais_relay_host wais_relay_port as_whois_server",
     IMPORT_REMARK, "there is no FTP and no WAIS here"},
    {"forwarded_for httpd_accel_surrogate_id http_accel_surrogate_remote via", IMPORT_REMARK,
     "docs/HTTP.md has what is added to plain requests; nobody is told a client's address"},
    {"dns_defnames append_domain", IMPORT_REMARK, "a name is asked for as it stands"},
    {"balance_on_multiple_ip dns_children dns_multicast_local dns_packet_max dns_retransmit_interval dns_testnames "
     "dns_v4_fallback dns_v4_first fqdncache_size ignore_unknown_nameservers ipcache_high ipcache_low ipcache_size "
     "negative_dns_ttl positive_dns_ttl happy_eyeballs_connect_gap happy_eyeballs_connect_limit "
     "happy_eyeballs_connect_timeout",
     IMPORT_REMARK, "`resolver` in docs/CONFIG.md"},
    {"client_persistent_connections connect_retries detect_broken_pconn forward_max_tries forward_timeout "
     "half_closed_clients maximum_single_addr_tries pconn_lifetime pconn_timeout peer_connect_timeout "
     "persistent_connection_after_error persistent_request_timeout pipeline_prefetch request_start_timeout "
     "retry_on_error server_idle_pconn_timeout server_pconn_for_nonretriable server_persistent_connections write_timeout",
     IMPORT_REMARK, "`timeouts` and `limits` in docs/CONFIG.md"},
    {"broken_posts client_db client_dst_passthru client_request_buffer_max_size eui_lookup force_request_body_continuation "
     "ignore_expect_100 relaxed_header_parser reply_header_max_size request_entities request_header_max_size "
     "server_http11 upgrade_http0.9 uri_whitespace",
     IMPORT_REMARK, "docs/HTTP.md has what a request may look like, and how large it may be"},
    {"wccp_address wccp_router wccp_version wccp2_address wccp2_assignment_method wccp2_forwarding_method "
     "wccp2_rebuild_wait wccp2_return_method wccp2_router wccp2_service wccp2_service_info wccp2_weight",
     IMPORT_REMARK, "clients know this proxy; no router sends them"},
    {"sslcrtd_children sslcrtd_program sslproxy_session_cache_size sslproxy_session_ttl",
     IMPORT_REMARK, "nobody is decrypted here"},
    {"auth_param auth_schemes authenticate_cache_garbage_interval authenticate_ip_ttl authenticate_ttl external_acl_type",
     IMPORT_LEFT_OUT,
     "give each user a certificate; `authorizer` asks somebody else: docs/CONFIG.md"},
    {"client_delay_access client_delay_initial_bucket_level client_delay_parameters client_delay_pools delay_access "
     "delay_class delay_initial_bucket_level delay_parameters delay_pool_uses_indirect_client delay_pools "
     "response_delay_pool response_delay_pool_access",
     IMPORT_LEFT_OUT,
     "it says how fast clients are: write `limits: {bandwidth_down: ...}` of a client"},
    {"sslpassword_program", IMPORT_LEFT_OUT,
     "a key has no password: `keeper` in docs/CONFIG.md keeps it apart"},
    {"ftp_port", IMPORT_LEFT_OUT, "there is no FTP here"},
};

// is_in_list tells whether a name is one of those in a string, with a blank between them.
static bool is_in_list(const char *names, struct slice name)
{
    struct slice rest = slice_of_string(names);
    while (rest.len > 0) {
        const size_t end = slice_find(rest, ' ');
        if (slice_equal(slice_first(rest, end), name))
            return true;
        rest = slice_from(rest, end + 1);
    }
    return false;
}

bool squid_harmless_take(struct import_notes *notes, struct import_place place,
                         struct slice directive)
{
    for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) {
        if (!is_in_list(harmless[i].names, directive))
            continue;
        import_say(notes, harmless[i].weight, place, "%.*s: %s: %s",
                   (int)slice_first(directive, SHOWN).len, (const char *)directive.data,
                   harmless[i].weight == IMPORT_REMARK ? "not needed" : "left out",
                   harmless[i].why);
        return true;
    }
    return false;
}
