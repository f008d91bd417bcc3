//! Settings of how model servers are talked to.

use std::path::PathBuf;

use tanso_runtime::client::ClientFiles;

use super::SettingsRefusal;

/// One layer: flags and environment, or the file.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
pub(crate) struct ModelClientLayer {
    /// Certificates of authorities for the model server, PEM [default: the system's]
    #[arg(long, env = "TANSO_MODEL_SERVER_CA")]
    pub(super) model_server_ca: Option<PathBuf>,
    /// Client certificate that the model server wants for samples, PEM
    #[arg(long, env = "TANSO_MODEL_SERVER_CERTIFICATE")]
    pub(super) model_server_certificate: Option<PathBuf>,
    /// Key of the client certificate, PEM
    #[arg(long, env = "TANSO_MODEL_SERVER_KEY")]
    pub(super) model_server_key: Option<PathBuf>,
    /// File with the token that the model server wants for samples; read anew for each request
    #[arg(long, env = "TANSO_MODEL_SERVER_TOKEN")]
    pub(super) model_server_token: Option<PathBuf>,
    /// The model server that takes samples, where it is not the one that gives models
    #[arg(long, env = "TANSO_SAMPLES_SERVER")]
    pub(super) samples_server: Option<String>,
}

impl ModelClientLayer {
    /// This layer, and where it says nothing the one below.
    pub(super) fn over(self, below: Self) -> Self {
        Self {
            model_server_ca: self.model_server_ca.or(below.model_server_ca),
            model_server_certificate: self
                .model_server_certificate
                .or(below.model_server_certificate),
            model_server_key: self.model_server_key.or(below.model_server_key),
            model_server_token: self.model_server_token.or(below.model_server_token),
            samples_server: self.samples_server.or(below.samples_server),
        }
    }
}

/// The client's files.
pub(super) fn files(layer: &ModelClientLayer) -> Result<ClientFiles, SettingsRefusal> {
    let identity = match (&layer.model_server_certificate, &layer.model_server_key) {
        (Some(certificate), Some(key)) => Some((certificate.clone(), key.clone())),
        (None, None) => None,
        _ => {
            return Err(SettingsRefusal::Value {
                field: "modelServerCertificate, modelServerKey",
                reason: "a client certificate needs its key, and a key its certificate".to_owned(),
            });
        }
    };
    Ok(ClientFiles {
        ca: layer.model_server_ca.clone(),
        identity,
        token: layer.model_server_token.clone(),
    })
}
