//! Prose and names, split into words.

/// The words of a sentence, in lower case. What stands in backquotes is code and is left out; capitals stay, as in ASN.1's
/// OCTET STRING.
pub(crate) fn sentence(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in text.split('`').enumerate() {
        if at % 2 == 0 {
            words.extend(
                part.split(|it: char| !it.is_alphabetic() && it != '\'' && it != '_')
                    .filter(|it| !it.is_empty())
                    .map(|it| {
                        if it.chars().any(char::is_lowercase) {
                            it.to_lowercase()
                        } else {
                            it.to_owned()
                        }
                    }),
            );
        }
    }
    words
}

/// The identifiers of a line of code.
pub(crate) fn identifiers(line: &str) -> impl Iterator<Item = &str> {
    line.split(|it: char| !it.is_alphanumeric() && it != '_')
        .filter(|it| it.starts_with(|it: char| it.is_alphabetic()))
}

/// The words of an identifier: `give_time`, `PeerRef` and `MAX_TIME` have two each.
pub(crate) fn parts(identifier: &str) -> Vec<String> {
    let mut words = Vec::new();
    for word in identifier.split('_').filter(|it| !it.is_empty()) {
        let mut current = String::new();
        let mut after_lower = false;
        for it in word.chars() {
            if it.is_uppercase() && after_lower {
                words.push(std::mem::take(&mut current));
            }
            after_lower = !it.is_uppercase();
            current.extend(it.to_lowercase());
        }
        words.push(current);
    }
    words
}
