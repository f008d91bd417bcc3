//! Making of keys and certificates: ECDSA P-256.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use sha2::{Digest as _, Sha256};

/// How long an authority and a certificate are good, days; both are renewed
/// after two thirds of it.
const AUTHORITY_DAYS: i64 = 3_650;
const CERTIFICATE_DAYS: i64 = 90;

/// Clocks of nodes may be this much behind, days.
const BEFORE_DAYS: i64 = 1;

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum IssueFault {
    /// The authority's key or a name is not usable.
    #[error("{0}; delete the Secret of the authority to begin anew")]
    Crypto(#[from] rcgen::Error),
    /// The clock is outside of what certificates can say.
    #[error("the clock says {0}, which no certificate can")]
    Clock(Timestamp),
}

/// A certificate, its key, and whom to trust, PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
    /// The authority's certificate, and the one before it while that is good.
    pub bundle: String,
    /// From when on it is renewed.
    pub renew_after: Timestamp,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the key.
        f.debug_struct("Issued")
            .field("renew_after", &self.renew_after)
            .finish_non_exhaustive()
    }
}

/// Makes a new authority; `before` is the certificate of the last one.
///
/// # Errors
/// If there is no chance or no time to be had.
pub fn authority(
    monitor: &str,
    before: Option<&str>,
    now: Timestamp,
) -> Result<Issued, IssueFault> {
    let key = KeyPair::generate()?;
    let mut params = authority_params(monitor);
    lasting(&mut params, now, AUTHORITY_DAYS)?;
    let certificate = params.self_signed(&key)?.pem();
    Ok(Issued {
        bundle: format!("{certificate}{}", before.unwrap_or_default()),
        key: key.serialize_pem(),
        renew_after: after(now, AUTHORITY_DAYS),
        certificate,
    })
}

/// Makes a certificate for the names, signed by the authority.
///
/// # Errors
/// If the authority's key is not usable, or a name is none.
pub fn issue(
    monitor: &str,
    authority: &Issued,
    hosts: &[String],
    now: Timestamp,
) -> Result<Issued, IssueFault> {
    let key = KeyPair::generate()?;
    let issuer = Issuer::new(
        authority_params(monitor),
        KeyPair::from_pem(&authority.key)?,
    );
    let mut params = CertificateParams::new(hosts)?;
    if let Some(host) = hosts.first() {
        // A common name has at most 64 letters; nobody reads it but people.
        let name: String = host.chars().take(64).collect();
        params.distinguished_name.push(DnType::CommonName, name);
    }
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    lasting(&mut params, now, CERTIFICATE_DAYS)?;
    let certificate = params.signed_by(&key, &issuer)?.pem();
    Ok(Issued {
        bundle: authority.bundle.clone(),
        key: key.serialize_pem(),
        renew_after: after(now, CERTIFICATE_DAYS),
        certificate,
    })
}

/// What a certificate was made for, 16 hexadecimal digits.
#[must_use]
pub fn fingerprint(bundle: &str, hosts: &[String]) -> String {
    let mut hasher = Sha256::new();
    for part in std::iter::once(bundle).chain(hosts.iter().map(String::as_str)) {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    let mut text = String::new();
    for byte in hasher.finalize().iter().take(8) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// What an authority is called and may do; the same for its certificate and
/// for what it signs.
fn authority_params(monitor: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("tanso authority of {monitor}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn lasting(params: &mut CertificateParams, now: Timestamp, days: i64) -> Result<(), IssueFault> {
    let date = |days: i64| {
        let at = now
            .checked_add(SignedDuration::from_hours(24 * days))
            .ok()?;
        let date = at.to_zoned(TimeZone::UTC).date();
        let month = u8::try_from(date.month()).ok()?;
        let day = u8::try_from(date.day()).ok()?;
        // No certificate says more.
        (1950..=9999)
            .contains(&date.year())
            .then(|| rcgen::date_time_ymd(i32::from(date.year()), month, day))
    };
    let fault = || IssueFault::Clock(now);
    params.not_before = date(-BEFORE_DAYS).ok_or_else(fault)?;
    params.not_after = date(days).ok_or_else(fault)?;
    Ok(())
}

fn after(now: Timestamp, days: i64) -> Timestamp {
    now.checked_add(SignedDuration::from_hours(24 * days * 2 / 3))
        .unwrap_or(Timestamp::MAX)
}
