//! How a property test of the core is run: always the same cases, a few new ones each time, and all that ever failed.
//!
//! `PROPTEST_CASES` asks for that many new cases, `PROPTEST_RNG_SEED` for the new cases of an earlier run, whose seed
//! stands in its output. A failure is kept beside the test, in a file that is committed with the fix.
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngSeed, TestRunner};
use std::hash::{BuildHasher as _, RandomState};

/// The cases that every run has begin here.
const FIXED: u64 = 5061;

/// Which cases a test runs.
pub(super) struct Cases {
    /// Of the fixed seed.
    pub(super) fixed: u32,
    /// Of a seed drawn for this run.
    pub(super) fresh: u32,
    /// Where failures are kept, from the package's root.
    pub(super) kept_in: &'static str,
}

impl Cases {
    /// Runs the test on every case; a failure names the seed, the smallest input that fails and why.
    pub(super) fn check<S: Strategy>(&self, inputs: &S, test: impl Fn(S::Value)) {
        self.run(FIXED, self.fixed, inputs, &test);
        let asked = ProptestConfig::default();
        let seed = match asked.rng_seed {
            RngSeed::Fixed(seed) => seed,
            RngSeed::Random => RandomState::new().hash_one(FIXED),
        };
        let fresh = match std::env::var_os("PROPTEST_CASES") {
            Some(_) => asked.cases,
            None => self.fresh,
        };
        eprintln!("{fresh} fresh cases: PROPTEST_RNG_SEED={seed}");
        self.run(seed, fresh, inputs, &test);
    }

    fn run<S: Strategy>(&self, seed: u64, cases: u32, inputs: &S, test: &impl Fn(S::Value)) {
        let mut runner = TestRunner::new(ProptestConfig {
            cases,
            rng_seed: RngSeed::Fixed(seed),
            failure_persistence: Some(Box::new(FileFailurePersistence::Direct(self.kept_in))),
            ..ProptestConfig::default()
        });
        let outcome = runner.run(inputs, |input| {
            test(input);
            Ok(())
        });
        if let Err(error) = outcome {
            panic!("seed {seed}, kept in {}: {error}", self.kept_in);
        }
    }
}
