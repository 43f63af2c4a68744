//! The parts of header field values that ends look at (RFC 3261 §20.10): URI, parameters, address of record.

/// The value of a header field's parameter. What stands inside `<>` are parameters of the URI (RFC 3261 §20),
/// so the search begins behind the last `>`.
pub(super) fn param<'a>(value: &'a str, name: &str) -> Option<&'a str> {
    let after = value
        .rfind('>')
        .map_or(value, |at| value.get(at..).unwrap_or(""));
    after.split(';').skip(1).find_map(|p| {
        let (n, v) = p.split_once('=')?;
        n.trim().eq_ignore_ascii_case(name).then(|| v.trim())
    })
}

/// The URI of a name-addr or addr-spec. Without `<>` everything from the first `;` on belongs to the header
/// field (RFC 3261 §20.10).
pub(super) fn uri_of(value: &str) -> &str {
    match value.split_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or(rest),
        None => value.split(';').next().unwrap_or(value).trim(),
    }
}

/// `user@host` of a sip URI, the host in lower case, without port and parameters; `host` alone when there is
/// no user. The registrar's key: users are compared case by case, hosts are not (RFC 3261 §19.1.4).
pub(super) fn address_of_record(uri: &str) -> String {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let rest = rest.split([';', '?']).next().unwrap_or(rest);
    let (user, host) = rest.rsplit_once('@').unwrap_or(("", rest));
    let host = host.split(':').next().unwrap_or(host).to_ascii_lowercase();
    if user.is_empty() {
        host
    } else {
        format!("{user}@{host}")
    }
}

/// The host of a sip URI, in lower case.
pub(super) fn host_of(uri: &str) -> String {
    let aor = address_of_record(uri);
    aor.rsplit('@').next().unwrap_or_default().to_owned()
}

/// The values of a comma-separated list (RFC 3261 §7.3.1); commas inside quotes and angle brackets separate
/// nothing.
pub(super) fn split_list(value: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let (mut start, mut quoted, mut angle) = (0, false, false);
    for (at, c) in value.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '<' if !quoted => angle = true,
            '>' if !quoted => angle = false,
            ',' if !quoted && !angle => {
                parts.push(value.get(start..at).unwrap_or_default().trim().to_owned());
                start = at.saturating_add(1);
            }
            _ => {}
        }
    }
    parts.push(value.get(start..).unwrap_or_default().trim().to_owned());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_record_forget_ports_and_parameters() {
        assert_eq!(
            address_of_record("sip:Bob@Contoso.test:5061;x=y"),
            "Bob@contoso.test"
        );
        assert_eq!(address_of_record("sips:contoso.test"), "contoso.test");
        assert_eq!(host_of("sip:tok@edge.test:5061;lr"), "edge.test");
        assert_eq!(uri_of("\"x\" <sip:a@b;lr>;tag=1"), "sip:a@b;lr");
        assert_eq!(uri_of("sip:a@b;tag=1"), "sip:a@b");
    }
}
