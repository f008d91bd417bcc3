//! The one provider of cryptography: aws-lc-rs.

/// Makes aws-lc-rs the process' provider for rustls. To be called first in
/// `main`; another call does nothing.
pub fn install() {
    // The error says that a provider is installed already, which is the goal.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
