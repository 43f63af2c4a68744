//! What Lync and Skype for Business write: Front Ends, clients of two ages, and a partner's Access Edge.
use super::dialect::{Dialect, NOTHING};

/// A Front End on its own account and for its users: signed and long routes, the client's Via with its connection id below
/// its own, `ms-*` of all kinds.
pub(super) const FRONT_END: Dialect = Dialect {
    lines: &[
        (
            "requests",
            "=Via: SIP/2.0/TLS 10.0.0.11:5061;branch={branch}.4FCDDC51;branched=FALSE",
        ),
        (
            "INVITE",
            "=From: \"Bob\" <sip:bob@contoso.test>;tag={tag};epid=62ccbeb808",
        ),
        (
            "INVITE",
            "=Contact: <sip:bob@contoso.test;opaque=user:epid:Uo7CFhCmLVWjVnMbkVjL0AAA;gruu>",
        ),
        (
            "180 INVITE",
            "=Contact: <sip:bob@contoso.test;opaque=user:epid:Uo7CFhCmLVWjVnMbkVjL0AAA;gruu>",
        ),
        (
            "183 INVITE",
            "=Contact: <sip:bob@contoso.test;opaque=user:epid:Uo7CFhCmLVWjVnMbkVjL0AAA;gruu>",
        ),
        (
            "200 INVITE",
            "=Contact: <sip:bob@contoso.test;opaque=user:epid:Uo7CFhCmLVWjVnMbkVjL0AAA;gruu>",
        ),
        (
            "UPDATE",
            "=Contact: <sip:bob@contoso.test;opaque=user:epid:Uo7CFhCmLVWjVnMbkVjL0AAA;gruu>",
        ),
        (
            "200 SUBSCRIBE",
            "=Contact: <sip:fe01.contoso.test:5061;transport=tls;ms-fe=fe01.contoso.test;opaque=home-server:presence>",
        ),
        (
            "*",
            "ms-asserted-verification-level: ms-source-verified-user=verified",
        ),
        (
            "requests",
            "User-Agent: UCCAPI/15.0.4420.1017 OC/15.0.4420.1017 (Microsoft Lync)",
        ),
        ("answers", "Server: RTC/6.0"),
        (
            "*",
            "Authentication-Info: TLS-DSK qop=\"auth\", opaque=\"0A9339AD\", srand=\"C8E7A95E\", snum=\"24\", rspauth=\"ac7f\", targetname=\"fe01.contoso.test\", realm=\"SIP Communications Service\", version=4",
        ),
        (
            "INVITE",
            "ms-conversation-id: AdpT1Xc1yX2gGzkVQ0Gv9Wl3q1nqUQ==",
        ),
        (
            "INVITE",
            "P-Asserted-Identity: \"Bob\" <sip:bob@contoso.test>,<tel:+4930123456;ext=17>",
        ),
        (
            "INVITE",
            "Supported: histinfo, 100rel, ms-early-media, ms-safe-transfer, Replaces, timer, gruu-10",
        ),
        (
            "INVITE",
            "History-Info: <sip:alice@contoso.test>;index=1;ms-target-phone=\"tel:+4930123457\"",
        ),
        (
            "INVITE",
            "ms-endpoint-location-data: NetworkScope;ms-media-location-type=Internet",
        ),
        ("INVITE", "ms-keep-alive: UAC;hop-hop=yes"),
        (
            "200 INVITE",
            "ms-client-diagnostics: 51007; reason=\"Callee media connectivity diagnosis info\"",
        ),
        (
            "401 REGISTER",
            "WWW-Authenticate: TLS-DSK realm=\"SIP Communications Service\", targetname=\"fe01.contoso.test\", version=4, sts-uri=\"https://fe01.contoso.test:443/CertProv/CertProvisioningService.svc\"",
        ),
        (
            "401 REGISTER",
            "WWW-Authenticate: NTLM realm=\"SIP Communications Service\", targetname=\"fe01.contoso.test\", version=4",
        ),
        (
            "200 REGISTER",
            "ms-keep-alive: UAS; tcp=no; hop-hop=yes; end-end=no; timeout=300",
        ),
        ("200 REGISTER", "ms-user-logon-data: RemoteUser"),
        ("200 REGISTER", "presence-state: register-action=\"added\""),
        (
            "200 REGISTER",
            "Allow-Events: vnd-microsoft-provisioning,vnd-microsoft-roaming-contacts,vnd-microsoft-roaming-ACL,presence,presence.wpending,vnd-microsoft-roaming-self,vnd-microsoft-provisioning-v2",
        ),
        (
            "200 SUBSCRIBE",
            "Supported: ms-benotify, ms-piggyback-first-notify, com.microsoft.autoextend",
        ),
        ("200 SUBSCRIBE", "ms-piggyback-cseq: 1"),
        ("200 SUBSCRIBE", "subscription-state: active;expires=27920"),
        ("BENOTIFY", "Require: eventlist"),
        ("BENOTIFY", "Event: presence"),
        ("BENOTIFY", "subscription-state: active;expires=28800"),
        (
            "BENOTIFY",
            "Content-Type: application/msrtc-event-categories+xml",
        ),
        (
            "BYE",
            "ms-client-diagnostics: 22;reason=\"Call failed to establish due to a media connectivity failure\"",
        ),
    ],
    routes: &[
        "<sip:fe01.contoso.test:5061;transport=tls;opaque=state:F:T:Ci.R12c300:Ieh.wcGGtzGYnsxeyLa92nHzCfjlV1w7bqTXcDmAsANd;lr;ms-route-sig=gBmEXZ_5H0j1nG3rCVGjKRkKzBC8WJhY_5pSmQpzYV1eu1WyNnxcAAAA>;tag=8B3EA7F8D0A1",
        "<sip:pool01.contoso.test:5061;transport=tls;ms-fe=fe01.contoso.test;opaque=state:T:F;lr;received=10.0.0.60;ms-received-cid=1F7D00;ms-route-sig=aaBBccDDeeFFgg__hhIIjjKK>",
    ],
    below: Some("SIP/2.0/TLS 10.0.0.60:50123;ms-received-port=50123;ms-received-cid=1F7D00"),
    ..NOTHING
};

/// A Lync or Communicator client: a Via without branch, `epid`, a GRUU for Contact, signatures in every message.
pub(super) const LYNC: Dialect = Dialect {
    lines: &[
        (
            "requests",
            "User-Agent: UCCAPI/15.0.4420.1017 OC/15.0.4420.1017 (Microsoft Lync)",
        ),
        (
            "answers",
            "User-Agent: UCCAPI/15.0.4420.1017 OC/15.0.4420.1017 (Microsoft Lync)",
        ),
        (
            "INVITE",
            "=From: \"Alice\" <sip:alice@contoso.test>;tag={tag};epid=d6277c8671",
        ),
        (
            "SUBSCRIBE",
            "=From: <sip:alice@contoso.test>;tag={tag};epid=d6277c8671",
        ),
        (
            "INVITE",
            "=Contact: <sip:alice@contoso.test;opaque=user:epid:hQ0SP_5rl16D4JvbBGGtAQAA;gruu>",
        ),
        (
            "180 INVITE",
            "=Contact: <sip:alice@contoso.test;opaque=user:epid:hQ0SP_5rl16D4JvbBGGtAQAA;gruu>",
        ),
        (
            "183 INVITE",
            "=Contact: <sip:alice@contoso.test;opaque=user:epid:hQ0SP_5rl16D4JvbBGGtAQAA;gruu>",
        ),
        (
            "200 INVITE",
            "=Contact: <sip:alice@contoso.test;opaque=user:epid:hQ0SP_5rl16D4JvbBGGtAQAA;gruu>",
        ),
        (
            "UPDATE",
            "=Contact: <sip:alice@contoso.test;opaque=user:epid:hQ0SP_5rl16D4JvbBGGtAQAA;gruu>",
        ),
        (
            "SUBSCRIBE",
            "=Contact: <sip:alice@contoso.test;opaque=user:epid:hQ0SP_5rl16D4JvbBGGtAQAA;gruu>",
        ),
        (
            "REGISTER",
            "=Contact: <sip:10.0.0.50:51234;transport=tls;ms-opaque=37dc925222>;methods=\"INVITE, MESSAGE, INFO, OPTIONS, BYE, CANCEL, NOTIFY, ACK, REFER, BENOTIFY\";proxy=replace;+sip.instance=\"<urn:uuid:02C51493-0E21-59BD-83E4-28EA883A80DA>\"",
        ),
        (
            "REGISTER",
            "=Supported: gruu-10, adhoclist, msrtc-event-categories",
        ),
        ("REGISTER", "Supported: ms-forking"),
        ("REGISTER", "Supported: ms-cluster-failover"),
        ("REGISTER", "ms-keep-alive: UAC;hop-hop=yes"),
        ("REGISTER", "Event: registration"),
        (
            "REGISTER again",
            "Authorization: TLS-DSK qop=\"auth\", realm=\"SIP Communications Service\", opaque=\"0A9339AD\", targetname=\"fe01.contoso.test\", crand=\"e8b69f85\", cnum=\"3\", response=\"98cc\"",
        ),
        (
            "INVITE",
            "Proxy-Authorization: TLS-DSK qop=\"auth\", realm=\"SIP Communications Service\", opaque=\"0A9339AD\", targetname=\"fe01.contoso.test\", crand=\"e8b69f86\", cnum=\"4\", response=\"98cd\"",
        ),
        (
            "INVITE",
            "P-Preferred-Identity: <sip:alice@contoso.test>, <tel:+4930123457>",
        ),
        ("INVITE", "ms-keep-alive: UAC;hop-hop=yes"),
        ("INVITE", "ms-subnet: 10.0.0.0"),
        (
            "INVITE",
            "Ms-Conversation-ID: AdpT1Xc1yX2gGzkVQ0Gv9Wl3q1nqUQ==",
        ),
        (
            "INVITE",
            "Supported: ms-early-media, 100rel, Replaces, histinfo, ms-safe-transfer, ms-sender",
        ),
        (
            "INVITE",
            "ms-endpoint-location-data: NetworkScope;ms-media-location-type=Internet",
        ),
        ("SUBSCRIBE", "Event: presence"),
        ("SUBSCRIBE", "Require: adhoclist, categoryList"),
        (
            "SUBSCRIBE",
            "Supported: eventlist, com.microsoft.autoextend",
        ),
        ("SUBSCRIBE", "Supported: ms-benotify"),
        ("SUBSCRIBE", "Proxy-Require: ms-benotify"),
        ("SUBSCRIBE", "Supported: ms-piggyback-first-notify"),
        (
            "SERVICE",
            "Content-Type: application/msrtc-category-publish+xml",
        ),
        ("NEGOTIATE", "Compression: LZ77-64K"),
        (
            "NEGOTIATE",
            "Supported: NewNegotiate,OCSNative,ECC,IPv6,TlsRecordSplit",
        ),
    ],
    is_branchless: true,
    ..NOTHING
};

/// Communicator 2005: where it is stands in `maddr` of a Contact with its domain.
pub(super) const COMMUNICATOR_2005: Dialect = Dialect {
    lines: &[
        (
            "INVITE",
            "=Contact: <sip:alice@contoso.test:1677;maddr=10.0.0.50;transport=tls>;proxy=replace",
        ),
        (
            "180 INVITE",
            "=Contact: <sip:alice@contoso.test:1677;maddr=10.0.0.50;transport=tls>;proxy=replace",
        ),
        (
            "183 INVITE",
            "=Contact: <sip:alice@contoso.test:1677;maddr=10.0.0.50;transport=tls>;proxy=replace",
        ),
        (
            "200 INVITE",
            "=Contact: <sip:alice@contoso.test:1677;maddr=10.0.0.50;transport=tls>;proxy=replace",
        ),
        (
            "UPDATE",
            "=Contact: <sip:alice@contoso.test:1677;maddr=10.0.0.50;transport=tls>;proxy=replace",
        ),
        (
            "SUBSCRIBE",
            "=Contact: <sip:alice@contoso.test:1677;maddr=10.0.0.50;transport=tls>;proxy=replace",
        ),
        ("SUBSCRIBE", "Supported: ms-benotify"),
        ("SUBSCRIBE", "Proxy-Require: ms-benotify"),
        ("requests", "User-Agent: LCC/1.3"),
    ],
    is_branchless: true,
    ..NOTHING
};

/// A partner's Access Edge, which signs its routes and says how far it trusts the sender.
pub(super) const ACCESS_EDGE: Dialect = Dialect {
    lines: &[
        (
            "requests",
            "=Via: SIP/2.0/TLS 203.0.113.9:53124;branch={branch}.E5E2CB35;branched=FALSE;ms-internal-info=\"aiZ3x\"",
        ),
        (
            "INVITE",
            "=From: \"Eve\" <sip:eve@fabrikam.test>;tag={tag};epid=ce4ccd49ad",
        ),
        (
            "SUBSCRIBE",
            "=From: \"Eve\" <sip:eve@fabrikam.test>;tag={tag};epid=ce4ccd49ad",
        ),
        (
            "INVITE",
            "=Contact: <sip:eve@fabrikam.test;opaque=user:epid:XHiWcZA4TlaDkwMgksvyrQAA;gruu>",
        ),
        (
            "180 INVITE",
            "=Contact: <sip:eve@fabrikam.test;opaque=user:epid:XHiWcZA4TlaDkwMgksvyrQAA;gruu>",
        ),
        (
            "183 INVITE",
            "=Contact: <sip:eve@fabrikam.test;opaque=user:epid:XHiWcZA4TlaDkwMgksvyrQAA;gruu>",
        ),
        (
            "200 INVITE",
            "=Contact: <sip:eve@fabrikam.test;opaque=user:epid:XHiWcZA4TlaDkwMgksvyrQAA;gruu>",
        ),
        (
            "UPDATE",
            "=Contact: <sip:eve@fabrikam.test;opaque=user:epid:XHiWcZA4TlaDkwMgksvyrQAA;gruu>",
        ),
        (
            "*",
            "ms-edge-proxy-message-trust: ms-source-type=AutoFederation;ms-ep-fqdn=edge.fabrikam.test;ms-source-verified-user=verified;ms-source-network=federation",
        ),
        (
            "requests",
            "ms-user-data: ms-publiccloud=false;ms-federation=true",
        ),
        ("INVITE", "ms-split-domain-info: ms-traffic-type=SplitIntra"),
        ("INVITE", "Supported: histinfo, 100rel, ms-early-media"),
        ("SUBSCRIBE", "Event: presence"),
        ("SUBSCRIBE", "Supported: ms-benotify"),
        ("SUBSCRIBE", "Proxy-Require: ms-benotify"),
        ("200 SUBSCRIBE", "Supported: ms-benotify"),
        ("BENOTIFY", "Event: presence"),
        ("BENOTIFY", "subscription-state: active;expires=28800"),
        ("NEGOTIATE", "Compression: LZ77-64K"),
        (
            "NEGOTIATE",
            "Supported: NewNegotiate,OCSNative,ECC,IPv6,TlsRecordSplit",
        ),
    ],
    routes: &[
        "<sip:sip.fabrikam.test:5061;transport=tls;epid=ce4ccd49ad;lr;ms-key-info=jACAAPo9w-9gLtcJgl_IAQECAAADZgAAAKQAAAnTaukuFFMFe_Sxt9an2NqgIu2oegkAvaJbqlQeT1caGA42DMKNbTe7VTqOXAIodkufX0rROiiPCuu5KfsMgjduDjdVTqO-gB_0RrVrnz0KlCg;ms-route-sig=bkBvoYzffbAVQtNIHC7e_q2qt_z4hWPI3VZvzOVwAA>;tag=DF7A",
        "<sip:pool.fabrikam.test:5061;transport=tls;opaque=state:T:F:Eu;lr;ms-route-sig=fhZxvkRvBJt3lTTQ>",
    ],
    below: Some("SIP/2.0/TLS 172.16.4.9:49155;ms-received-port=49155;ms-received-cid=67F00"),
    ..NOTHING
};
