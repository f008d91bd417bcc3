//! The file of `web.configFile`: Prometheus' exporter toolkit
//! (<https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md>).

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{KeplerFault, flatten};
use crate::settings::exports::{AnonymousWord, ExportLayer};

/// Takes over certificate, key and client authorities.
pub(super) fn apply(path: &Path, exports: &mut ExportLayer) -> Result<(), KeplerFault> {
    let fault = |key: &str, reason: String| KeplerFault {
        key: format!("web.configFile: {key}"),
        reason,
    };
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| fault("", format!("reading \"{shown}\": {error}")))?;
    let document: Value = serde_saphyr::from_str(&text)
        .map_err(|error| fault("", format!("\"{shown}\": {error}")))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut leaves = Vec::new();
    flatten("", &document, &mut leaves);
    for (key, value) in leaves {
        let file = || value.as_str().map(|name| -> PathBuf { folder.join(name) });
        match key.as_str() {
            "tls_server_config.cert_file" => exports.tls_certificate = file(),
            "tls_server_config.key_file" => exports.tls_key = file(),
            "tls_server_config.client_ca_file" => exports.tls_client_ca = file(),
            "tls_server_config.client_auth_type" => match value.as_str() {
                Some("RequireAndVerifyClientCert") => {
                    exports.anonymous = Some(AnonymousWord::Refuse);
                }
                Some("VerifyClientCertIfGiven" | "NoClientCert" | "") => {}
                other => {
                    let accepted = "accepted are RequireAndVerifyClientCert, VerifyClientCertIfGiven, NoClientCert";
                    let found = other.unwrap_or_default();
                    return Err(fault(&key, format!("\"{found}\": {accepted}")));
                }
            },
            "tls_server_config.min_version" | "http_server_config.http2" => {}
            _ if value.is_null() => {}
            _ => {
                // Left out, it would leave open what was closed.
                let reason = "not offered; use a client certificate or bearer tokens".to_owned();
                return Err(fault(&key, reason));
            }
        }
    }
    Ok(())
}
