//! The library's parameters for a specification.
use super::clock::date;
use super::{AuthoritySpec, LeafSpec, PkiError, Serial};
use rcgen::{
    BasicConstraints, CertificateParams, CrlDistributionPoint, CustomExtension, DistinguishedName,
    DnType, GeneralSubtree, IsCa, KeyUsagePurpose, NameConstraints, SanType, SerialNumber,
};

/// Of a CA's certificate, with the serial number that was drawn for it.
pub(super) fn authority_params(
    spec: &AuthoritySpec,
) -> Result<(CertificateParams, Serial), PkiError> {
    let (mut params, serial) = dated_params(spec.not_before, spec.not_after)?;
    params
        .distinguished_name
        .push(DnType::CommonName, spec.common_name.as_str());
    params.is_ca = IsCa::Ca(
        spec.path_length
            .map_or(BasicConstraints::Unconstrained, |length| {
                BasicConstraints::Constrained(length)
            }),
    );
    // keyUsage is always there, as RFC 5280 §4.2.1.3 asks of a CA.
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    // Without the bit its CRLs must not count (RFC 5280 §6.3.3 f), which tests ask for.
    if spec.crl_sign {
        params.key_usages.push(KeyUsagePurpose::CrlSign);
    }
    params.extended_key_usages = spec.usages.iter().map(|u| u.purpose()).collect();
    // Critical, as RFC 5280 §4.2.1.10 demands; the library sees to that.
    if !spec.permitted.is_empty() {
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: spec
                .permitted
                .iter()
                .cloned()
                .map(GeneralSubtree::DnsName)
                .collect(),
            excluded_subtrees: Vec::new(),
        });
    }
    Ok((params, serial))
}

/// Of a leaf, with the serial number that was drawn for it.
pub(super) fn leaf_params(spec: &LeafSpec) -> Result<(CertificateParams, Serial), PkiError> {
    let (mut params, serial) = dated_params(spec.not_before, spec.not_after)?;
    if let Some(name) = &spec.common_name {
        params
            .distinguished_name
            .push(DnType::CommonName, name.as_str());
    }
    // URIs stand first, since RFC 5922 §7.1 looks at them first; the order has no meaning.
    for uri in &spec.uris {
        let value = uri.as_str().try_into()?;
        params.subject_alt_names.push(SanType::URI(value));
    }
    for name in &spec.dns {
        let value = name.as_str().try_into()?;
        params.subject_alt_names.push(SanType::DnsName(value));
    }
    for address in &spec.addresses {
        params.subject_alt_names.push(SanType::IpAddress(*address));
    }
    for email in &spec.emails {
        let value = email.as_str().try_into()?;
        params.subject_alt_names.push(SanType::Rfc822Name(value));
    }
    // keyEncipherment alone served RSA key exchange, which TLS 1.3 has not: such a key cannot prove itself
    // there.
    params.key_usages = vec![if spec.encipher_only {
        KeyUsagePurpose::KeyEncipherment
    } else {
        KeyUsagePurpose::DigitalSignature
    }];
    // An empty list leaves the extension out, which means that any purpose is permitted.
    params.extended_key_usages = spec.usages.iter().map(|u| u.purpose()).collect();
    // A point for each URI, as Windows CAs write them; several URIs in one point would be alternatives.
    params.crl_distribution_points = spec
        .crl_points
        .iter()
        .map(|uri| CrlDistributionPoint {
            uris: vec![uri.clone()],
        })
        .collect();
    // A leaf with cA set must be refused as a leaf (RFC 5280 §4.2.1.9), which tests ask for.
    if spec.authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    if spec.unknown_critical {
        // Below the enterprise number that RFC 5612 keeps for examples.
        let mut extension =
            CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 32_473, 1], vec![0x05, 0x00]);
        extension.set_criticality(true);
        params.custom_extensions.push(extension);
    }
    Ok((params, serial))
}

/// What all certificates have in common.
fn dated_params(not_before: i64, not_after: i64) -> Result<(CertificateParams, Serial), PkiError> {
    let serial = Serial::random()?;
    let mut params = CertificateParams::default();
    // The library's default has a CN with the library's name.
    params.distinguished_name = DistinguishedName::new();
    params.not_before = date(not_before)?;
    params.not_after = date(not_after)?;
    // Drawn here and not by the library, so that a CRL can name it.
    params.serial_number = Some(SerialNumber::from(serial.0.clone()));
    // As real CAs do: without it several CAs of one name, which tests have, could not be distinguished.
    params.use_authority_key_identifier_extension = true;
    Ok((params, serial))
}
