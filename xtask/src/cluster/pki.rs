//! The cluster's keys and certificates, made anew for each cluster.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use serde_json::json;

use super::state::{API_ADDRESS, API_PORT, Node};

type Authority = CertifiedIssuer<'static, KeyPair>;

/// Where the keys and certificates lie.
#[derive(Debug, Clone)]
pub(super) struct Pki {
    dir: PathBuf,
}

impl Pki {
    /// Makes everything that the control plane and these nodes need.
    ///
    /// # Errors
    /// When a key cannot be made or a file not written.
    pub(super) fn create(dir: &Path, nodes: &[Node]) -> Result<Self> {
        fs::create_dir_all(dir)
            .and_then(|()| fs::set_permissions(dir, Permissions::from_mode(0o700)))
            .with_context(|| format!("creating \"{}\"", dir.display()))?;
        let pki = Self {
            dir: dir.to_path_buf(),
        };
        let ca = pki.authority("ca", "tanso-cluster")?;
        let front = pki.authority("front-proxy-ca", "tanso-front-proxy")?;
        let service_names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"];
        let mut names = vec!["localhost", "kubernetes.default.svc.cluster.local"];
        names.extend(service_names);
        names.extend(["127.0.0.1", API_ADDRESS, "10.96.0.1"]);
        pki.server(&ca, "apiserver", "kube-apiserver", &names)?;
        pki.client(&ca, "admin", "tanso-admin", Some("system:masters"))?;
        pki.client(
            &ca,
            "kubelet-client",
            "kube-apiserver-kubelet",
            Some("system:masters"),
        )?;
        for name in ["kube-controller-manager", "kube-scheduler", "kube-proxy"] {
            pki.client(&ca, name, &format!("system:{name}"), None)?;
        }
        pki.client(&front, "front-proxy-client", "front-proxy-client", None)?;
        for node in nodes {
            let user = format!("system:node:{}", node.name);
            pki.client(&ca, &node.name, &user, Some("system:nodes"))?;
            let serving = format!("{}-serving", node.name);
            pki.server(&ca, &serving, &node.name, &[&node.name, &node.address])?;
        }
        let accounts = KeyPair::generate().context("making the service accounts' key")?;
        pki.write("sa.key", &accounts.serialize_pem())?;
        pki.write("sa.pub", &accounts.public_key_pem())?;
        Ok(pki)
    }

    /// A certificate's file.
    #[must_use]
    pub(super) fn cert(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.crt"))
    }

    /// A private key's file.
    #[must_use]
    pub(super) fn key(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.key"))
    }

    /// Writes a kubeconfig for one of the clients.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn kubeconfig(&self, client: &str, path: &Path) -> Result<()> {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tanso", "cluster": {
                "server": format!("https://{API_ADDRESS}:{API_PORT}"),
                "certificate-authority": self.cert("ca"),
            }}],
            "users": [{"name": client, "user": {
                "client-certificate": self.cert(client),
                "client-key": self.key(client),
            }}],
            "contexts": [{"name": "tanso", "context": {"cluster": "tanso", "user": client}}],
            "current-context": "tanso",
        });
        super::state::write_json(path, &config)?;
        fs::set_permissions(path, Permissions::from_mode(0o600))
            .with_context(|| format!("protecting \"{}\"", path.display()))
    }

    fn authority(&self, file: &str, common_name: &str) -> Result<Authority> {
        let mut params = params(&[], common_name, None)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let key = KeyPair::generate().context("making an authority's key")?;
        self.write(&format!("{file}.key"), &key.serialize_pem())?;
        let authority = CertifiedIssuer::self_signed(params, key).context("making an authority")?;
        self.write(&format!("{file}.crt"), &authority.pem())?;
        Ok(authority)
    }

    fn client(&self, by: &Authority, file: &str, user: &str, group: Option<&str>) -> Result<()> {
        let mut params = params(&[], user, group)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(by, file, params)
    }

    fn server(&self, by: &Authority, file: &str, user: &str, names: &[&str]) -> Result<()> {
        let mut params = params(names, user, None)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(by, file, params)
    }

    fn issue(&self, by: &Authority, file: &str, mut params: CertificateParams) -> Result<()> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().with_context(|| format!("making the key of \"{file}\""))?;
        let certificate = params
            .signed_by(&key, by)
            .with_context(|| format!("signing the certificate of \"{file}\""))?;
        self.write(&format!("{file}.key"), &key.serialize_pem())?;
        self.write(&format!("{file}.crt"), &certificate.pem())
    }

    fn write(&self, file: &str, text: &str) -> Result<()> {
        let path = self.dir.join(file);
        OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .with_context(|| format!("writing \"{}\"", path.display()))
    }
}

fn params(names: &[&str], user: &str, group: Option<&str>) -> Result<CertificateParams> {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).context("naming a certificate's subject")?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, user);
    if let Some(group) = group {
        params
            .distinguished_name
            .push(DnType::OrganizationName, group);
    }
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_gets_a_key_that_only_its_owner_reads() {
        let dir = tempfile::tempdir().unwrap();
        let pki = Pki::create(dir.path(), &[Node::new("one", 0)]).unwrap();
        for name in [
            "ca",
            "front-proxy-ca",
            "apiserver",
            "admin",
            "node-0",
            "node-0-serving",
        ] {
            assert!(
                fs::read_to_string(pki.cert(name))
                    .unwrap()
                    .contains("BEGIN CERTIFICATE")
            );
            let mode = fs::metadata(pki.key(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        assert!(
            fs::read_to_string(dir.path().join("sa.pub"))
                .unwrap()
                .contains("PUBLIC KEY")
        );
    }
}
