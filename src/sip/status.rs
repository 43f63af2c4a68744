//! Reason phrases of the status codes (RFC 3261 §21 and the extension RFCs).

/// The phrase that is written behind a status code; for codes without a registered one the name of their class. Clients
/// must not read it (RFC 3261 §7.2), people do.
pub const fn phrase(status: u16) -> &'static str {
    match status {
        // RFC 3261 §21.1 to §21.3; 199 is of RFC 6228, 204 of RFC 5839.
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        199 => "Early Dialog Terminated",
        200 => "OK",
        202 => "Accepted",
        204 => "No Notification",
        // A redirection is passed on: who follows it is the client, which then needs a route of its own.
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        380 => "Alternative Service",
        _ if status < 400 => other(status),
        _ => failure(status),
    }
}

/// Codes from 400 on; apart from [`phrase`] only to keep both short. The registered ones of RFC 3261 §21.4 to §21.6, and
/// of RFC 3329, RFC 3903, RFC 3911, RFC 4412, RFC 4474, RFC 5079, RFC 5360, RFC 5393, RFC 5626, RFC 6086, RFC 8197.
const fn failure(status: u16) -> &'static str {
    match status {
        // Most of these only pass through this node; topology hiding may have to write their phrase anew.
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Conditional Request Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        417 => "Unknown Resource-Priority",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        428 => "Use Identity Header",
        429 => "Provide Referrer Identity",
        430 => "Flow Failed",
        433 => "Anonymity Disallowed",
        436 => "Bad Identity-Info",
        437 => "Unsupported Certificate",
        438 => "Invalid Identity Header",
        439 => "First Hop Lacks Outbound Support",
        440 => "Max-Breadth Exceeded",
        469 => "Bad Info Package",
        470 => "Consent Needed",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        494 => "Security Agreement Required",
        // 503 stands for the server that sent it, so a proxy should not pass it on as its own (RFC 3261 §16.7 step 6).
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        580 => "Precondition Failure",
        // A 6xx ends the search for other targets (RFC 3261 §16.7 step 5).
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        607 => "Unwanted",
        608 => "Rejected",
        _ => other(status),
    }
}

/// The class of a code without a registered phrase (RFC 3261 §8.1.3.2: it is treated as the x00 of its class).
const fn other(status: u16) -> &'static str {
    match status / 100 {
        1 => "Progress",
        2 => "Success",
        3 => "Redirection",
        4 => "Client Error",
        5 => "Server Error",
        _ => "Global Failure",
    }
}
