//! References to what a topology holds: positions that loading has checked, in place of names that might lead nowhere.

// A type for each list, so that a position in one cannot be used for another. A reference is valid for
// one generation only: the next may have other entries at the same positions.
macro_rules! references {
    ($($name:ident into $list:literal;)+) => { $(
        #[doc = concat!("An index into [`super::Topology::", $list, "`] of one generation.")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(crate) u32);

        impl $name {
            #[doc = concat!("The position in [`super::Topology::", $list, "`].")]
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    )+ };
}

references! {
    PeerRef into "peers";
    PoolRef into "pools";
    IdentityRef into "identities";
    TrustRef into "trusts";
}
