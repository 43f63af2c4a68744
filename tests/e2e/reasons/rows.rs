//! Every row of the registry is provoked by a run of the real program, or says here why none can provoke it.
use crate::harness::observed::Observed;
use sipward::reason::{
    ConnectionReason, DaemonReason, MessageReason, Reason, Rule, TrustSetReason,
};
use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::thread;

/// Runs at the same time: most of them wait for a time to pass.
const RUNNERS: usize = 4;

/// Rows that no test provokes, and why none can.
const UNPROVOKED: [(Reason, &str); 20] = [
    (
        Rule::NoEmptyLine.reason(),
        "framing waits for the empty line, so that a head without one ends as head_timeout or head_too_large",
    ),
    (
        ConnectionReason::Undecided.reason(),
        "the verifier decides on every certificate, or the handshake fails before",
    ),
    (
        ConnectionReason::BackingOff.reason(),
        "it stays between a shard's shell and its core, and is not logged",
    ),
    (
        ConnectionReason::Reloaded.reason(),
        "a reload would have to end between two steps of one dial",
    ),
    (
        MessageReason::TopologyNotHidden.reason(),
        "sealing fails without a key only, and there is always one; or the message as it leaves would have to be unreadable",
    ),
    (
        MessageReason::PeerCongested.reason(),
        "a peer would have to stop reading until the buffers of both sides are full, and begin again before the connection is closed",
    ),
    (
        MessageReason::ShardCongested.reason(),
        "a shard would have to stand still while thousands of messages cross to it",
    ),
    (
        TrustSetReason::AnchorMalformed.reason(),
        "loading parses each certificate of the file before, and reports pem_malformed",
    ),
    (
        DaemonReason::NotPermitted.reason(),
        "another user than the one who runs the tests would have to connect",
    ),
    (
        DaemonReason::Busy.reason(),
        "the socket serves 16 connections at a time and 64 commands have room; that the 4 places for ids to forget are full is a race",
    ),
    (
        DaemonReason::ShardSilent.reason(),
        "a shard would have to stand still while the supervising thread does not",
    ),
    (
        DaemonReason::ReplyTooLarge.reason(),
        "a reply has room for more than a test can put into the daemon",
    ),
    (
        DaemonReason::Stopping.reason(),
        "a command would have to arrive between the end of the supervising loop and that of the process",
    ),
    (
        DaemonReason::StateFull.reason(),
        "the state directory is full at gigabytes of CRLs",
    ),
    (
        DaemonReason::ListenerServesAnotherCertificate.reason(),
        "another process would have to take the listener's address from the running daemon",
    ),
    (
        DaemonReason::AcceptFailed.reason(),
        "the test's process shares the limit of descriptors that would have to be reached",
    ),
    (
        DaemonReason::ShardInboxFull.reason(),
        "a shard would have to stand still while thousands of messages cross to it",
    ),
    (
        DaemonReason::ShardFailed.reason(),
        "a shard ends by itself only when the system refuses it a timer or a socket",
    ),
    (
        DaemonReason::SchedulingRefused.reason(),
        "a seccomp filter would have to refuse the call; the service's test runs under the unit that permits it",
    ),
    (
        DaemonReason::ShardKeptGeneration.reason(),
        "the same configurations were built from the same generation a moment before",
    ),
];

/// What is run, the longest first: each speaks to the real daemon over sockets, or starts a command of the real binary.
macro_rules! runs {
    ($($own:path,)+; $($check:path,)+; $($test:path,)+) => {
        /// Names, and what they name. The functions of this folder run here only; the tests of other files run by
        /// themselves too.
        const RUNS: &[(&str, fn())] = &[
            $((stringify!($own), || alone($own())),)+
            $((stringify!($test), $test),)+
            $((stringify!($check), $check),)+
        ];
    };
}

runs![
    super::proxy::servers_that_never_answer_are_given_up,
    super::connections::a_client_that_sends_and_never_reads_is_closed_when_its_answers_pile_up,
    super::dns::why_a_name_leads_to_no_address_is_told_apart,
    super::commands::why_the_daemon_does_not_start_is_a_code,
    super::connections::a_certificate_that_speaks_for_another_peer_after_a_reload_loses_its_connection,
    super::connections::a_connection_that_ends_without_the_end_of_tls_is_logged_so,
    super::connections::a_reload_that_stops_accepting_a_kind_closes_its_connections,
    super::connections::a_removed_listener_takes_its_connections_along,
    super::connections::connections_beyond_a_bound_are_refused_and_the_bound_is_named,
    super::fields::what_breaks_a_rule_within_its_fields_is_refused_or_dropped,
    super::files::a_distribution_point_that_says_nothing_is_unreachable_or_too_late,
    super::files::a_control_connection_that_says_nothing_ends,
    super::messages::no_more_requests_wait_for_a_connection_than_may,
    super::files::directories_that_the_daemon_cannot_use_are_logged,
    super::messages::a_head_that_cannot_be_framed_ends_the_connection_with_the_rule_that_it_breaks,
    super::messages::a_request_that_waits_for_a_peer_fails_when_a_reload_removes_it,
    super::messages::an_ack_that_breaks_a_rule_is_dropped_without_an_answer,
    super::messages::what_breaks_a_rule_within_its_fields_is_answered_400,
    super::proxy::a_client_has_a_budget_and_a_drained_pool_takes_nothing,
    super::proxy::a_ping_is_lost_with_its_connection,
    super::proxy::a_request_that_comes_back_is_a_loop,
    super::proxy::pings_that_fail_say_how,
    super::proxy::servers_that_answer_503_or_for_another_one_are_passed_over,
    super::proxy::what_the_boundary_and_the_rfcs_forbid_is_refused_with_its_reason,
    super::tls::a_hello_of_tls_1_2_is_refused_for_what_it_lacks,
    super::tls::a_peer_that_answers_with_something_else_than_sip_is_found_by_probe,
    super::tls::every_alert_is_logged_with_its_own_code_and_number,
;
    super::files::an_expectation_that_does_not_hold_is_reported_by_check,
    super::files::anchors_that_vouch_for_nobody_are_reported_by_check,
    super::files::certificates_with_keys_or_sizes_that_are_not_taken_are_explained,
    super::files::crls_that_cannot_be_used_are_reported_by_check,
    super::files::ocsp_responses_that_cannot_be_stapled_are_reported_by_check,
    super::files::revoked_anchors_and_too_many_crls_are_reported_by_check,
    super::topology::each_code_is_reported_by_check,
;
    crate::policy::a_client_that_does_not_come_back_is_430_half_a_minute_after_it_has_gone,
    crate::crl_fetch::a_revocation_at_the_distribution_point_ends_the_connection_and_outlives_a_reload,
    crate::log::a_log_file_is_opened_anew_at_a_signal_and_a_lost_directory_is_said,
    crate::keep_alives::a_peer_that_leaves_a_ping_unanswered_is_dead_and_connected_to_anew,
    crate::memory::a_source_that_leaves_its_calls_and_comes_again_keeps_no_more_than_its_own,
    crate::memory::a_source_that_connects_anew_for_more_requests_finds_its_budget_taken,
    crate::memory::at_the_bound_of_all_nothing_new_begins_and_the_fullest_source_goes_first,
    crate::memory::a_handshake_message_without_end_counts_and_ends_with_its_connection,
    crate::memory::half_sent_messages_of_one_source_end_with_their_connections_and_hurt_nobody,
    crate::overload::at_twice_the_load_every_bye_succeeds_and_new_calls_are_refused,
    crate::siblings::a_sibling_has_no_rights_of_its_own,
    crate::balancer::what_breaks_the_rules_of_the_header_is_refused_by_its_name,
    crate::bindings::registrations_beyond_the_bounds_are_granted_and_not_kept,
    crate::calls::calls_beyond_the_bounds_go_on_and_are_not_kept,
    crate::cancel::an_invite_that_still_waits_for_its_connection_is_cancelled_unsent,
    crate::client_certificates::a_reload_that_names_a_clients_certificate_closes_its_connection,
    crate::client_certificates::where_certificates_are_required_a_client_without_one_stays_out,
    crate::control::kick_closes_one_connection_or_all_of_a_peer,
    crate::denials::a_kicked_user_is_refused_for_a_time_and_nobody_else,
    crate::denials::there_is_room_for_so_many_denials_and_damage_is_no_reason_not_to_start,
    crate::denials::an_address_is_denied_by_a_connection_of_it_in_each_notation_and_by_the_file,
    crate::control::what_is_no_request_gets_an_error_and_the_next_one_is_served,
    crate::crl_fetch::a_certificate_cannot_make_us_ask_this_host_unless_it_is_listed,
    crate::crl_fetch::a_certificate_that_names_only_points_that_are_not_asked_is_told_of_once,
    crate::crl_refresh::our_own_staple_is_served_while_it_is_good_and_read_again,
    crate::crl_refresh::what_is_worse_in_a_directory_of_crls_leaves_in_force_what_was,
    crate::crl_state::a_rollback_over_a_restart_is_refused_until_an_operator_has_it_forgotten,
    crate::crl_state::a_state_directory_that_cannot_be_written_is_told_of_once,
    crate::crl_state::what_is_damaged_in_the_state_directory_is_told_and_never_in_the_way,
    crate::drain::clients_are_let_go_for_maintenance_while_dialogs_go_on,
    crate::crl_state::what_was_fetched_outlives_the_process_and_a_file_that_was_taken_away,
    crate::first_hour::what_the_daemons_user_cannot_read_is_told_to_who_can,
    crate::framing::a_head_and_a_body_that_trickle_in_each_end_at_their_deadline,
    crate::framing::what_cannot_be_framed_is_answered_400_and_the_connection_closed,
    crate::handshakes::a_flood_of_every_kind_of_bad_handshake_is_counted_to_the_last_one,
    crate::handshakes::an_odd_name_in_sni_is_ignored_or_refused_as_what_it_is,
    crate::descriptors::with_few_descriptors_strangers_make_room_and_peers_come_in,
    crate::handshakes::a_full_lobby_makes_room_at_the_expense_of_the_fullest_source,
    crate::handshakes::a_hello_of_more_than_16_kib_is_refused_by_its_length,
    crate::handshakes::a_slot_that_is_held_without_an_answer_goes_to_who_waits_for_one,
    crate::handshakes::stalled_handshakes_end_at_their_bound_and_hold_up_nobody,
    crate::interleaved::handshakes_that_interleave_on_one_shard_keep_their_own_verdicts,
    crate::keep_alives::a_stranger_with_nothing_but_white_space_loses_its_connection_like_a_silent_one,
    crate::keep_alives::white_space_keeps_a_client_that_has_spoken_for_as_long_as_any_keep_alive,
    crate::metrics::an_address_that_is_taken_is_served_when_it_is_free_and_a_reload_moves_it,
    crate::covers::a_seventeenth_name_takes_the_place_of_the_one_that_was_used_longest_ago,
    crate::next_hops::a_peer_is_found_by_its_service_and_proves_the_topologys_name,
    crate::next_hops::a_peer_whose_domain_offers_no_such_service_is_not_connected_to,
    crate::policy::a_client_cannot_use_the_path_of_another_client,
    crate::policy::a_client_may_not_assert_a_foreign_from,
    crate::policy::a_clients_route_to_a_third_party_is_refused,
    crate::policy::a_forged_route_token_is_refused,
    crate::policy::a_partner_reaches_home_domains_only,
    crate::policy::a_stray_ack_is_neither_relayed_nor_answered,
    crate::rates::a_client_at_twice_its_rate_is_read_more_slowly_and_loses_nothing,
    crate::rates::a_client_whose_messages_lead_nowhere_is_closed_after_a_thousand,
    crate::rates::a_password_is_guessed_a_few_times_a_minute_and_no_more,
    crate::rates::of_one_source_so_many_passwords_wait_for_an_answer_and_no_more,
    crate::rates::a_source_that_connects_without_end_is_refused_for_the_rest_of_the_second,
    crate::profiles::freeswitch::freeswitch_the_second_takes_over_when_the_first_is_gone,
    crate::profiles::skype_for_business::skype_for_business_a_client_registers_subscribes_and_calls_and_is_called_by_path,
    crate::profiles::skype_for_business::skype_for_business_without_path_a_client_is_reached_in_its_dialogs_and_not_called,
    crate::staged::an_observed_peer_gets_in_and_the_log_tells_what_would_have_refused_it,
    crate::tenants::a_reload_that_takes_one_entry_out_closes_its_connections_alone,
    crate::tenants::nobody_of_one_tenant_reaches_the_other,
    crate::torture::invalid_torture_messages_get_the_status_of_their_index_and_nothing_passes,
    crate::torture::torture_responses_pass_only_when_they_can_be_read_and_were_asked_for,
    crate::torture::valid_torture_messages_are_relayed_and_what_is_not_used_comes_out_byte_for_byte,
    crate::trust_matrix::every_reason_is_given_over_real_handshakes_in_both_directions,
    crate::upgrade::a_phone_between_the_two_processes_is_waited_for,
    crate::upgrade::a_program_that_fails_changes_nothing_and_the_command_says_why,
    crate::upgrade::calls_go_on_over_an_upgrade_from_both_sides,
    crate::withdrawal::a_new_certificate_of_ours_rides_no_old_connection_and_a_ringing_call_survives,
];

/// Runs what a test of its own would run.
fn alone(run: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(run);
}

/// What the runs have shown.
#[derive(Default)]
struct Shown {
    /// The codes that each has seen the program write.
    codes: BTreeSet<String>,
    failed: Vec<&'static str>,
}

fn run_all() -> Shown {
    let waiting = Mutex::new(RUNS.iter());
    let shown = Mutex::new(Shown::default());
    let next = || waiting.lock().unwrap().next();
    thread::scope(|scope| {
        for _ in 0..RUNNERS {
            scope.spawn(|| {
                while let Some((name, run)) = next() {
                    let seen = Observed::begin();
                    let ended = catch_unwind(run);
                    let mut shown = shown.lock().unwrap();
                    shown.codes.append(&mut seen.codes());
                    if ended.is_err() {
                        shown.failed.push(name);
                    }
                }
            });
        }
    });
    shown.into_inner().unwrap()
}

#[test]
fn every_row_is_provoked_or_says_why_it_cannot_be() {
    let shown = run_all();
    assert!(shown.failed.is_empty(), "{:?}", shown.failed);
    let is_seen = |reason: &Reason| shown.codes.contains(reason.code());
    let seen = Reason::all().filter(is_seen).count();
    println!("{seen} of {} reasons were provoked", Reason::COUNT);
    for (excused, why) in UNPROVOKED {
        assert!(
            !is_seen(&excused),
            "{excused} is provoked: excuse it no more"
        );
        assert!(why.len() > 20, "{excused}");
    }
    let is_excused = |reason: &Reason| UNPROVOKED.iter().any(|(row, _)| row == reason);
    let missing: Vec<_> = Reason::all()
        .filter(|reason| !is_seen(reason) && !is_excused(reason))
        .collect();
    assert!(missing.is_empty(), "no run provokes {missing:?}");
    assert!(
        UNPROVOKED.len() * 10 <= Reason::COUNT,
        "too many rows are excused"
    );
}
