//! Reads an OCI archive back: what it is called, what a registry will know it by,
//! which machines it is for, and that each part is what it is named by. It trusts
//! nothing that `oci` meant to write.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::kubeparts::hex;

/// What an archive has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Archive {
    /// The name that it is imported under.
    pub(crate) reference: String,
    /// What a registry will know it by: `sha256:` and 64 digits.
    pub(crate) digest: String,
    /// The architectures of its programs, in the order of the list.
    pub(crate) archs: Vec<String>,
    /// What lies in the image, whatever the architecture.
    pub(crate) files: BTreeSet<String>,
}

type Members = BTreeMap<String, Vec<u8>>;

impl Archive {
    /// Reads an archive.
    ///
    /// # Errors
    /// When a part lacks, is not what it is named by, or a program is for other
    /// machines than its image says.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let read = || Self::of(&members(File::open(file)?)?);
        read().with_context(|| format!("reading the archive \"{}\"", file.display()))
    }

    fn of(members: &Members) -> Result<Self> {
        for (name, content) in members {
            if let Some(digest) = name.strip_prefix("blobs/sha256/") {
                let found = hex(&Sha256::digest(content));
                ensure!(found == digest, "blob {digest} has the content of {found}");
            }
        }
        let index = members.get("index.json").context("it has no index.json")?;
        let index: Value = serde_json::from_slice(index).context("its index.json")?;
        let Some([top]) = index["manifests"].as_array().map(Vec::as_slice) else {
            bail!("index.json names not one image but {}", index["manifests"]);
        };
        let listed = document(members, top)?;
        let manifests: Vec<Value> = match listed["manifests"].as_array() {
            Some(list) => {
                let each = list.iter().map(|one| document(members, one));
                each.collect::<Result<_>>()?
            }
            None => vec![listed],
        };
        let mut archs = Vec::new();
        let mut files: Option<BTreeSet<String>> = None;
        for manifest in &manifests {
            let (arch, names) = image(members, manifest)?;
            archs.push(arch);
            files = Some(match files {
                None => names,
                Some(others) => others.intersection(&names).cloned().collect(),
            });
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Self {
            reference: text(&top["annotations"]["org.opencontainers.image.ref.name"]),
            digest: text(&top["digest"]),
            archs,
            files: files.unwrap_or_default(),
        })
    }
}

/// The machines that a program is for, by their name in image lists; none where
/// it is no program, or for others.
pub(crate) fn machine(program: &[u8]) -> Option<&'static str> {
    // ELF of 64 bits, the lower byte first; at 18 the machine: System V ABI, chapter 4.
    let is_elf = program.starts_with(b"\x7fELF\x02\x01");
    match (is_elf, program.get(18..20)) {
        (true, Some([62, 0])) => Some("amd64"),
        (true, Some([183, 0])) => Some("arm64"),
        _ => None,
    }
}

fn members(archive: impl std::io::Read) -> Result<Members> {
    let mut all = Members::new();
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        all.insert(name, content);
    }
    Ok(all)
}

/// The blob that a descriptor names, as long as it says.
fn blob<'a>(members: &'a Members, described: &Value) -> Result<&'a [u8]> {
    let digest = described["digest"].as_str().unwrap_or_default();
    let blob = members.get(&digest.replacen("sha256:", "blobs/sha256/", 1));
    let blob = blob.with_context(|| format!("blob \"{digest}\" is named and not there"))?;
    ensure!(
        described["size"].as_u64() == u64::try_from(blob.len()).ok(),
        "blob {digest} has {} bytes and not {}",
        blob.len(),
        described["size"]
    );
    Ok(blob)
}

fn document(members: &Members, described: &Value) -> Result<Value> {
    serde_json::from_slice(blob(members, described)?)
        .with_context(|| format!("blob {} is no document", described["digest"]))
}

/// What an image says that it is for, once its program was found to be for that,
/// and the names of its files.
fn image(members: &Members, manifest: &Value) -> Result<(String, BTreeSet<String>)> {
    let config = document(members, &manifest["config"])?;
    let says = config["architecture"].as_str().unwrap_or_default();
    let starts = config["config"]["Entrypoint"][0]
        .as_str()
        .unwrap_or_default();
    let mut files = Members::new();
    for layer in manifest["layers"].as_array().into_iter().flatten() {
        files.extend(self::members(blob(members, layer)?)?);
    }
    let program = files.get(starts.trim_start_matches('/'));
    let program = program.with_context(|| format!("it starts \"{starts}\", which is not there"))?;
    let is = machine(program);
    ensure!(
        is == Some(says),
        "\"{starts}\" of the image for {says} is a program for {}",
        is.unwrap_or("no machine that is known here")
    );
    Ok((says.to_owned(), files.into_keys().collect()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::super::Arch;
    use super::super::oci::{self, Entry, Image};
    use super::*;

    /// The first bytes of a program for a machine.
    fn program(machine: u8) -> Vec<u8> {
        let mut bytes = b"\x7fELF\x02\x01".to_vec();
        bytes.resize(18, 0);
        bytes.extend([machine, 0]);
        bytes
    }

    fn written(dir: &Path, images: &[(Arch, u8)]) -> (PathBuf, String) {
        let image = |(arch, machine): &(Arch, u8)| {
            let source = dir.join(arch.name());
            fs::write(&source, program(*machine)).unwrap();
            let image = Image {
                reference: "registry.example/one:7".into(),
                title: "one".into(),
                entrypoint: vec!["/one".into()],
                user: "7:11".into(),
                files: vec![Entry {
                    path: "one".into(),
                    source,
                    mode: 0o755,
                }],
            };
            (*arch, image)
        };
        let images: Vec<(Arch, Image)> = images.iter().map(image).collect();
        let file = dir.join("one.tar");
        let (digest, _) = oci::write(&images, &file).unwrap();
        (file, digest)
    }

    #[test]
    fn what_was_written_is_read_back_for_one_architecture_and_for_two() {
        let dir = tempfile::tempdir().unwrap();
        for images in [
            &[(Arch::Amd64, 62)][..],
            &[(Arch::Amd64, 62), (Arch::Arm64, 183)],
        ] {
            let (file, digest) = written(dir.path(), images);
            let archs = images.iter().map(|(arch, _)| arch.name().to_owned());
            let expected = Archive {
                reference: "registry.example/one:7".to_owned(),
                digest,
                archs: archs.collect(),
                files: BTreeSet::from(["one".to_owned()]),
            };
            assert_eq!(Archive::read(&file).unwrap(), expected);
        }
    }

    #[test]
    fn a_program_for_other_machines_than_the_image_says_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let swapped = [(Arch::Amd64, 62), (Arch::Arm64, 62)];
        let (file, _) = written(dir.path(), &swapped);
        let error = format!("{:#}", Archive::read(&file).unwrap_err());
        assert!(
            error.contains("image for arm64 is a program for amd64"),
            "{error}"
        );
    }

    #[test]
    fn a_part_that_lacks_and_one_with_other_content_are_refused_by_their_digests() {
        let dir = tempfile::tempdir().unwrap();
        let (file, digest) = written(dir.path(), &[(Arch::Amd64, 62)]);
        let whole = members(File::open(&file).unwrap()).unwrap();
        let name = digest.replacen("sha256:", "blobs/sha256/", 1);
        let mut lacking = whole.clone();
        lacking.remove(&name);
        let error = Archive::of(&lacking).unwrap_err().to_string();
        assert!(error.contains(&digest), "{error}");
        let mut other = whole;
        other.insert(name, b"{}".to_vec());
        let error = Archive::of(&other).unwrap_err().to_string();
        assert!(error.contains("has the content of"), "{error}");
    }
}
