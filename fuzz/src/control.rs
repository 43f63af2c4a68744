//! What is said over the control socket, as any line: what is read is written and read again alike.
use sipward::daemon::control::{Denial, Reply, Request};

/// The first octet says whether the rest is a request, a reply, or the list of denials that a restart reads.
pub fn control(data: &[u8]) {
    let Some((&control, line)) = data.split_first() else {
        return;
    };
    match control % 3 {
        0 => {
            let Ok(request) = serde_json::from_slice::<Request>(line) else {
                return;
            };
            let written = serde_json::to_string(&request).unwrap();
            assert!(!written.contains('\n'), "a request is one line");
            assert!(written.contains(request.word()));
            assert_eq!(serde_json::from_str::<Request>(&written).unwrap(), request);
        }
        1 => again::<Reply>(line),
        _ => again::<Vec<Denial>>(line),
    }
}

/// Written twice it is the same.
fn again<T: serde::Serialize + serde::de::DeserializeOwned>(line: &[u8]) {
    let Ok(read) = serde_json::from_slice::<T>(line) else {
        return;
    };
    let written = serde_json::to_string(&read).unwrap();
    assert!(!written.contains('\n'), "one line");
    let read: T = serde_json::from_str(&written).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), written);
}
