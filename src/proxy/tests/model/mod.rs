//! Random interleavings of requests, responses, CANCEL, ACK, timers, lost connections, reloads and drain against a
//! reference model: what RFC 3261 §16.7, §17, RFC 6026 and RFC 4320 promise must hold in all of them.
//!
//! `ledger` is the model: it sees only what a bystander sees on the wires. `driver` turns steps into inputs of the
//! core, `audit` looks into the core's tables.

mod audit;
mod driver;
mod ledger;

use super::seeds::Cases;
use driver::Driver;
use proptest::prelude::*;

/// One thing that happens. Numbers choose among what there is, modulo their count.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// A client, the partner or a home server (towards a client's flow) begins something.
    Request { sender: u8, invite: bool },
    /// The caller acknowledges a success.
    AckSuccess { call: u8 },
    /// The far end of a copy answers it, on whatever connection it has.
    Respond { copy: u8, status: u16 },
    /// Somebody else answers it.
    Stranger { copy: u8, status: u16 },
    /// The sender cancels.
    Cancel { call: u8 },
    /// Somebody else tries to.
    StrangerCancel { call: u8 },
    /// The sender repeats its request.
    Repeat { call: u8 },
    /// The sender acknowledges a refusal.
    Ack { call: u8 },
    /// Time passes, in milliseconds.
    Pass(u32),
    /// A connection breaks.
    Lose { link: u8 },
    /// A client or server comes (back).
    Arrive { who: u8 },
    /// A connect that was asked for comes to its end.
    Connected { which: u8, well: bool },
    /// A socket does not take more, or takes it again.
    Full { link: u8, full: bool },
    /// The trust in one connection is withdrawn.
    Withdraw { link: u8 },
    /// A reload, with or without the second home server.
    Reload { both: bool },
    /// The daemon begins to stop.
    Drain,
}

fn status() -> impl Strategy<Value = u16> {
    prop::sample::select(vec![
        100, 180, 183, 199, 200, 200, 202, 302, 401, 404, 486, 487, 503, 503, 600,
    ])
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (any::<u8>(), any::<bool>()).prop_map(|(sender, invite)| Step::Request { sender, invite }),
        14 => (any::<u8>(), status()).prop_map(|(copy, status)| Step::Respond { copy, status }),
        1 => (any::<u8>(), status()).prop_map(|(copy, status)| Step::Stranger { copy, status }),
        3 => any::<u8>().prop_map(|call| Step::Cancel { call }),
        1 => any::<u8>().prop_map(|call| Step::StrangerCancel { call }),
        2 => any::<u8>().prop_map(|call| Step::Repeat { call }),
        4 => any::<u8>().prop_map(|call| Step::Ack { call }),
        2 => any::<u8>().prop_map(|call| Step::AckSuccess { call }),
        5 => prop::sample::select(vec![0, 1, 199, 250, 3_600, 7_000, 9_000, 31_000, 33_000])
            .prop_map(Step::Pass),
        1 => Just(Step::Pass(182_000)),
        3 => any::<u8>().prop_map(|link| Step::Lose { link }),
        3 => any::<u8>().prop_map(|who| Step::Arrive { who }),
        5 => (any::<u8>(), prop::bool::weighted(0.7))
            .prop_map(|(which, well)| Step::Connected { which, well }),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(link, full)| Step::Full { link, full }),
        1 => any::<u8>().prop_map(|link| Step::Withdraw { link }),
        1 => any::<bool>().prop_map(|both| Step::Reload { both }),
        1 => prop::bool::weighted(0.2)
            .prop_map(|stops| if stops { Step::Drain } else { Step::Pass(0) }),
    ]
}

/// As many as a debug build runs in a few seconds.
const CASES: Cases = Cases {
    fixed: 100,
    fresh: 25,
    kept_in: "src/proxy/tests/model/regressions.txt",
};

fn run(shards: u8, steps: &[Step]) {
    let mut driver = Driver::new(shards);
    for step in steps {
        driver.step(*step);
    }
    driver.come_to_rest();
}

#[test]
fn every_interleaving_keeps_the_promises_of_a_stateful_proxy() {
    CASES.check(&prop::collection::vec(step(), 1..90), |steps| {
        run(1, &steps);
    });
}

#[test]
fn and_so_it_does_when_connections_lie_in_several_shards() {
    CASES.check(&prop::collection::vec(step(), 1..90), |steps| {
        run(3, &steps);
    });
}

#[test]
fn a_cancel_that_waited_for_a_connection_never_follows_the_final_answer() {
    run(
        3,
        &[
            Step::Arrive { who: 114 },
            Step::Lose { link: 44 },
            Step::Request {
                sender: 2,
                invite: true,
            },
            Step::Connected {
                which: 0,
                well: true,
            },
            Step::Respond {
                copy: 0,
                status: 100,
            },
            Step::Lose { link: 51 },
            Step::Request {
                sender: 63,
                invite: false,
            },
            Step::Pass(182_000),
            Step::Respond {
                copy: 0,
                status: 200,
            },
            Step::Connected {
                which: 2,
                well: false,
            },
            Step::Connected {
                which: 0,
                well: true,
            },
        ],
    );
}
