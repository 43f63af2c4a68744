//! `not_before` and `not_after` of identities, peers and trust sets: what is odd about them is reported.
use super::loading::Loading;
use crate::topology::moment::show_moment;
use crate::topology::{TopologyReason, Window};
use rustls_pki_types::UnixTime;
use toml::Spanned;

/// The window of an entry.
///
/// Both ends are optional and read already. An entry whose window is over is a warning: it does no
/// harm, and it is how a staged renewal looks when it is done.
pub(super) fn load(
    place: &str,
    (not_before, not_after): (&Option<Spanned<UnixTime>>, &Option<Spanned<UnixTime>>),
    loading: &mut Loading<'_, '_>,
) -> Window {
    let seconds = |time: &Option<Spanned<UnixTime>>| Some(time.as_ref()?.get_ref().as_secs());
    // Even an empty window is returned: the fault has been reported, and the loading will not succeed.
    let window = Window {
        not_before: seconds(not_before),
        not_after: seconds(not_after),
    };
    // Without an end nothing can be over, and no end lies before the beginning.
    let (Some(text), Some(end)) = (not_after, window.not_after) else {
        return window;
    };
    if window.not_before.is_some_and(|begin| end < begin) {
        let what = format!("{place}: not_after lies before not_before");
        let remedy = "exchange the two, or correct one of them";
        loading.add(TopologyReason::WindowEmpty, text, what, remedy);
    } else if i64::try_from(end).is_ok_and(|end| end < loading.at) {
        let what = format!("{place} counts as absent since {}", show_moment(end));
        let remedy = "remove the entry, or move its not_after";
        loading.add(TopologyReason::WindowOver, text, what, remedy);
    }
    window
}
