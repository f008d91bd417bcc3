//! Writes an image, for one architecture or several, as an OCI archive: the same
//! input gives the same bytes.

use std::fs;
use std::io::BufWriter;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Arch;
use crate::kubeparts::hex;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// What goes into an image.
#[derive(Debug, Clone)]
pub(super) struct Image {
    /// The full reference, for example `localhost/tanso/pause:1`.
    pub(super) reference: String,
    /// What it is called.
    pub(super) title: String,
    /// The command; the image has no shell to take it apart.
    pub(super) entrypoint: Vec<String>,
    /// The user and group it runs as, for example `65532:65532`.
    pub(super) user: String,
    /// Files: where in the image, where from, and their mode.
    pub(super) files: Vec<Entry>,
}

/// A file of an image.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Its path in the image, without a leading `/`.
    pub(super) path: String,
    /// Where its content is now.
    pub(super) source: PathBuf,
    /// Its permissions.
    pub(super) mode: u32,
}

/// A file of the archive: its name and content.
type Member = (String, Vec<u8>);

/// Writes the archive of an image for one architecture, or of a list of one for
/// each; gives the digest that a registry will know it by, and what a node
/// stores of each.
///
/// # Errors
/// When a source cannot be read or the archive not written.
pub(super) fn write(
    images: &[(Arch, Image)],
    archive: &Path,
) -> Result<(String, Vec<(Arch, u64)>)> {
    let Some((_, first)) = images.first() else {
        bail!("an image is of one architecture at least");
    };
    let mut members = Vec::new();
    let mut manifests = Vec::new();
    let mut sizes = Vec::new();
    for (arch, image) in images {
        let (described, blobs) = manifest(*arch, image)?;
        sizes.push((*arch, blobs.iter().map(|(_, blob)| length(blob)).sum()));
        manifests.push(described);
        members.extend(blobs);
    }
    let mut top = match manifests.as_slice() {
        [one] => one.clone(),
        several => {
            let list = encode(&json!({
                "schemaVersion": 2,
                "mediaType": INDEX,
                "manifests": several,
            }))?;
            let described = descriptor(INDEX, &list);
            members.push(blob(list));
            described
        }
    };
    let known_by = top["digest"].as_str().unwrap_or_default().to_owned();
    top["annotations"] = json!({
        "io.containerd.image.name": first.reference,
        "org.opencontainers.image.ref.name": first.reference,
    });
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [top]});
    members.push(("index.json".to_owned(), encode(&index)?));
    let layout = br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec();
    members.push(("oci-layout".to_owned(), layout));
    members.sort();
    // Certificates, say, are the same for every architecture.
    members.dedup();
    save(&members, archive)?;
    Ok((known_by, sizes))
}

/// The image's descriptor, with its platform, and its blobs.
fn manifest(arch: Arch, image: &Image) -> Result<(Value, Vec<Member>)> {
    let layer = layer(&image.files)?;
    let config = encode(&json!({
        "architecture": arch.name(),
        "os": "linux",
        "config": {
            "Entrypoint": image.entrypoint,
            "User": image.user,
            "Env": ["PATH=/"],
            "WorkingDir": "/",
            "Labels": {
                "org.opencontainers.image.title": image.title,
                "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
                "org.opencontainers.image.licenses": env!("CARGO_PKG_LICENSE"),
                "org.opencontainers.image.source": env!("CARGO_PKG_REPOSITORY"),
            },
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", digest(&layer))]},
    }))?;
    let manifest = encode(&json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", &layer)],
    }))?;
    let mut described = descriptor(MANIFEST, &manifest);
    described["platform"] = json!({"architecture": arch.name(), "os": "linux"});
    Ok((described, vec![blob(layer), blob(config), blob(manifest)]))
}

fn blob(content: Vec<u8>) -> Member {
    (format!("blobs/sha256/{}", digest(&content)), content)
}

fn length(content: &[u8]) -> u64 {
    u64::try_from(content.len()).unwrap_or(u64::MAX)
}

/// Two tests may write the same archive at once: each writes a file of its own
/// and puts it in place whole.
fn save(members: &[Member], archive: &Path) -> Result<()> {
    let write = || -> std::io::Result<()> {
        let dir = archive.parent().unwrap_or(Path::new("."));
        let partial = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o644))
            .tempfile_in(dir)?;
        let mut tar = tar::Builder::new(BufWriter::new(partial));
        for (name, content) in members {
            append(&mut tar, name, content, 0o644)?;
        }
        let partial = tar.into_inner()?.into_inner()?;
        partial.persist(archive)?;
        Ok(())
    };
    write().with_context(|| format!("writing \"{}\"", archive.display()))
}

/// The layer: the files in order of their paths, with their folders before them.
fn layer(entries: &[Entry]) -> Result<Vec<u8>> {
    let mut entries = entries.to_vec();
    entries.sort_by(|one, other| one.path.cmp(&other.path));
    let mut tar = tar::Builder::new(Vec::new());
    let mut folders: Vec<PathBuf> = Vec::new();
    for entry in &entries {
        let mut parents: Vec<_> = Path::new(&entry.path).ancestors().skip(1).collect();
        parents.reverse();
        for parent in parents
            .into_iter()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            if !folders.iter().any(|folder| folder == parent) {
                let mut header = header(0, 0o755);
                header.set_entry_type(tar::EntryType::Directory);
                let name = format!("{}/", parent.display());
                tar.append_data(&mut header, name, std::io::empty())
                    .context("adding a folder to a layer")?;
                folders.push(parent.to_path_buf());
            }
        }
        let content = fs::read(&entry.source)
            .with_context(|| format!("reading \"{}\"", entry.source.display()))?;
        append(&mut tar, &entry.path, &content, entry.mode).context("adding a file to a layer")?;
    }
    tar.into_inner().context("ending a layer")
}

fn append<W: std::io::Write>(
    tar: &mut tar::Builder<W>,
    name: &str,
    content: &[u8],
    mode: u32,
) -> std::io::Result<()> {
    tar.append_data(&mut header(length(content), mode), name, content)
}

/// No time, no owner: they would make two builds differ.
fn header(length: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_size(length);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn encode(value: &Value) -> Result<Vec<u8>> {
    serde_json::to_vec(value).context("encoding an image's description")
}

fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({
        "mediaType": media_type,
        "digest": format!("sha256:{}", digest(content)),
        "size": content.len(),
    })
}

fn digest(content: &[u8]) -> String {
    hex(&Sha256::digest(content))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    fn image(dir: &Path) -> Image {
        fs::write(dir.join("program"), "a program").unwrap();
        fs::write(dir.join("text"), "a text").unwrap();
        let entry = |path: &str, source: &str, mode| Entry {
            path: path.into(),
            source: dir.join(source),
            mode,
        };
        Image {
            reference: "localhost/tanso/one:dev".into(),
            title: "one".into(),
            entrypoint: vec!["/one".into()],
            user: "7:11".into(),
            files: vec![
                entry("one", "program", 0o755),
                entry("etc/deep/text", "text", 0o644),
            ],
        }
    }

    fn members(archive: &Path) -> Vec<(String, Vec<u8>)> {
        use std::io::Read as _;
        let mut tar = tar::Archive::new(File::open(archive).unwrap());
        let read = |entry: std::io::Result<tar::Entry<'_, File>>| {
            let mut entry = entry.unwrap();
            assert_eq!(entry.header().mtime().unwrap(), 0);
            let name = entry.path().unwrap().display().to_string();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (name, content)
        };
        tar.entries().unwrap().map(read).collect()
    }

    #[test]
    fn two_builds_from_copies_made_at_different_times_are_the_same_bytes() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let build = |dir: &Path, reverse: bool| {
            let mut image = image(dir);
            if reverse {
                image.files.reverse();
            }
            let source = File::open(dir.join("text")).unwrap();
            let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(u64::from(reverse));
            source.set_modified(old).unwrap();
            write(&[(Arch::Amd64, image)], &dir.join("one.tar")).unwrap();
            fs::read(dir.join("one.tar")).unwrap()
        };
        assert!(build(first.path(), false) == build(second.path(), true));
    }

    #[test]
    fn builds_of_one_archive_at_once_leave_one_whole_archive() {
        let dir = tempfile::tempdir().unwrap();
        let archive = dir.path().join("one.tar");
        let image = [(Arch::Amd64, image(dir.path()))];
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        write(&image, &archive).unwrap();
                    }
                });
            }
        });
        assert!(
            members(&archive)
                .iter()
                .any(|(name, _)| name == "index.json")
        );
        let left = fs::read_dir(dir.path()).unwrap().flatten();
        let partial = left.filter(|entry| entry.file_name().to_string_lossy().starts_with(".tmp"));
        assert_eq!(partial.count(), 0, "files left behind");
    }

    #[test]
    fn every_digest_in_the_archive_names_a_blob_with_that_content() {
        let dir = tempfile::tempdir().unwrap();
        let archive = dir.path().join("one.tar");
        let (known_by, sizes) = write(&[(Arch::Amd64, image(dir.path()))], &archive).unwrap();
        let members = members(&archive);
        let get = |name: &str| {
            members
                .iter()
                .find(|(other, _)| other == name)
                .map(|(_, content)| content)
                .unwrap()
        };
        for (name, content) in members
            .iter()
            .filter(|(name, _)| name.starts_with("blobs/"))
        {
            assert_eq!(name, &format!("blobs/sha256/{}", digest(content)));
        }
        let blob = |digest: &Value| {
            get(&digest
                .as_str()
                .unwrap()
                .replacen("sha256:", "blobs/sha256/", 1))
        };
        let index: Value = serde_json::from_slice(get("index.json")).unwrap();
        let first = &index["manifests"][0];
        assert_eq!(
            first["annotations"]["io.containerd.image.name"],
            "localhost/tanso/one:dev"
        );
        assert_eq!(first["digest"], known_by.as_str());
        let blobs = members
            .iter()
            .filter(|(name, _)| name.starts_with("blobs/"));
        let stored: usize = blobs.map(|(_, content)| content.len()).sum();
        assert_eq!(sizes, [(Arch::Amd64, u64::try_from(stored).unwrap())]);
        let manifest: Value = serde_json::from_slice(blob(&first["digest"])).unwrap();
        let config: Value = serde_json::from_slice(blob(&manifest["config"]["digest"])).unwrap();
        assert_eq!(config["config"]["User"], "7:11");
        assert_eq!(
            config["rootfs"]["diff_ids"][0],
            manifest["layers"][0]["digest"]
        );
        let layer = blob(&manifest["layers"][0]["digest"]);
        let mut tar = tar::Archive::new(layer.as_slice());
        let names: Vec<_> = tar
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["etc/", "etc/deep/", "etc/deep/text", "one"]);
    }

    #[test]
    fn an_archive_for_two_architectures_has_a_list_that_names_both() {
        let dir = tempfile::tempdir().unwrap();
        let archive = dir.path().join("one.tar");
        let one = image(dir.path());
        let mut other = one.clone();
        other.files.pop();
        let images = [(Arch::Amd64, one), (Arch::Arm64, other)];
        let (known_by, sizes) = write(&images, &archive).unwrap();
        assert_eq!(sizes.len(), 2);
        let members = members(&archive);
        let read = |name: &str| -> Value {
            let found = members.iter().find(|(other, _)| other == name).unwrap();
            serde_json::from_slice(&found.1).unwrap()
        };
        let top = &read("index.json")["manifests"][0];
        assert_eq!(top["digest"], known_by.as_str());
        let list = read(&known_by.replacen("sha256:", "blobs/sha256/", 1));
        for (place, name) in [(0, "amd64"), (1, "arm64")] {
            let described = &list["manifests"][place];
            assert_eq!(described["platform"]["architecture"], name);
            let blob = |value: &Value| {
                read(
                    &value["digest"]
                        .as_str()
                        .unwrap()
                        .replacen("sha256:", "blobs/sha256/", 1),
                )
            };
            let config = blob(&blob(described)["config"]);
            assert_eq!(config["architecture"], name);
        }
    }
}
