//! Model documents by name: what is bundled, and what a store or a server has
//! learned.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Deserialize;
use tanso_power::model::{MachineFeatures, ModelDocument};
use tanso_runtime::client::{Bounds, ClientFiles};

use super::learning::learn;
use super::machine::MachineArgs;
use crate::features::{Machine, cpu_name};
use crate::select::{Selection, Selector};
use crate::store::backup::read_only;
use crate::store::{documents, types};
use crate::tiers::LEVEL;
use crate::train::in_service::check;

/// The largest list of a server.
const BOUNDS: Bounds = Bounds {
    time: Duration::from_secs(30),
    bytes: 32 << 20,
};
/// Names that are shown where one was not found.
const NEAR_MAX: usize = 5;

/// What to export, and from where.
#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// A digest, a node type, a model's name, an instance type or a CPU model; without one the machine that is described, or this one
    name: Option<String>,
    /// List what can be exported: kind, name, tier and digest
    #[arg(long)]
    list: bool,
    /// Also what was learned in the store in this directory, also while a server uses it
    #[arg(long, env = "TANSO_STORE", value_name = "DIR")]
    store: Option<PathBuf>,
    /// Also what the server at this address learned, `http(s)://HOST:PORT`
    #[arg(long, value_name = "URL", conflicts_with = "store")]
    server: Option<String>,
    /// Certificates of authorities for the server, PEM [default: the system's]
    #[arg(long, value_name = "FILE", requires = "server")]
    server_ca: Option<PathBuf>,
}

/// A model of a store or a server.
#[derive(Debug, Deserialize)]
struct Listed {
    digest: String,
    name: String,
    tier: String,
}

/// A node type of a store or a server.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Type {
    name: String,
    in_service: String,
    machine: MachineFeatures,
}

/// What was learned somewhere.
struct Learned {
    from: Origin,
    models: Vec<Listed>,
    types: Vec<Type>,
}

enum Origin {
    Nowhere,
    Store(PathBuf),
    Server(String, ClientFiles),
}

/// The text to print: a list, or a document's canonical JSON.
pub(super) async fn run(export: ExportArgs, machine: MachineArgs) -> anyhow::Result<String> {
    let from = match (export.store, export.server) {
        (Some(store), _) => Origin::Store(store),
        (None, Some(url)) => {
            tanso_runtime::crypto::install();
            let files = ClientFiles {
                ca: export.server_ca,
                ..ClientFiles::default()
            };
            Origin::Server(url.trim_end_matches('/').to_owned(), files)
        }
        (None, None) => Origin::Nowhere,
    };
    let learned = Learned::read(from).await?;
    let document = match export.name {
        _ if export.list => return list(&learned, &learn()?),
        None => machine.select(LEVEL, &[])?.document,
        Some(digest) if machine.is_told() => {
            let selection = machine.select(LEVEL, &[])?;
            if digest != selection.digest {
                bail!(
                    "the machine's model has digest {}, asked for was \"{digest}\"; leave the machine out to look for a name",
                    selection.digest
                );
            }
            selection.document
        }
        Some(name) => find(&learned, &name).await?,
    };
    let mut text = String::from_utf8(document.to_json()?).context("a document as text")?;
    text.push('\n');
    Ok(text)
}

impl Learned {
    async fn read(from: Origin) -> anyhow::Result<Self> {
        let (models, types) = match &from {
            Origin::Nowhere => (Vec::new(), Vec::new()),
            Origin::Store(directory) => of_store(directory)?,
            Origin::Server(url, files) => {
                #[derive(Deserialize)]
                struct Models {
                    models: Vec<Listed>,
                }
                #[derive(Deserialize)]
                #[serde(rename_all = "camelCase")]
                struct Types {
                    node_types: Vec<Type>,
                }
                let models: Models = get(files, &format!("{url}/v1/models")).await?;
                let types: Types = get(files, &format!("{url}/v1/node-types")).await?;
                (models.models, types.node_types)
            }
        };
        Ok(Self {
            from,
            models,
            types,
        })
    }

    /// The document of a digest; `None` if it is not there.
    async fn document(&self, digest: &str) -> anyhow::Result<Option<ModelDocument>> {
        let body = match &self.from {
            Origin::Nowhere => None,
            Origin::Store(directory) => {
                let mut connection = read_only(directory)?;
                let transaction = connection.transaction().context("reading the store")?;
                documents::get(&transaction, digest)?
            }
            Origin::Server(url, files) => {
                let url = format!("{url}/v1/models/{digest}");
                let reply = files.get_unless(&url, None, BOUNDS).await;
                let reply = reply.with_context(|| format!("model server \"{url}\""))?;
                match reply.status.as_u16() {
                    200 => Some(reply.body.to_vec()),
                    404 => None,
                    status => bail!("model server \"{url}\" answered {status}"),
                }
            }
        };
        let checked = body.map(|body| check(digest, Some(body))).transpose();
        let served = checked.map_err(|reason| anyhow::anyhow!("model {digest}: {reason}"))?;
        Ok(served.map(|served| served.document))
    }
}

fn of_store(directory: &Path) -> anyhow::Result<(Vec<Listed>, Vec<Type>)> {
    let mut connection = read_only(directory)?;
    let transaction = connection.transaction().context("reading the store")?;
    let models = documents::list(&transaction, u32::MAX)?;
    let models = models.into_iter().map(|model| Listed {
        digest: model.digest,
        name: model.name,
        tier: model.tier,
    });
    let mut types = Vec::new();
    for name in types::names(&transaction)? {
        if let Some(one) = types::get(&transaction, &name)? {
            types.push(Type {
                name: one.name,
                in_service: one.in_service,
                machine: serde_json::from_value(one.machine)
                    .with_context(|| format!("the machine of node type \"{name}\""))?,
            });
        }
    }
    Ok((models.collect(), types))
}

async fn get<T: serde::de::DeserializeOwned>(files: &ClientFiles, url: &str) -> anyhow::Result<T> {
    let reply = files.get_unless(url, None, BOUNDS).await;
    let reply = reply.with_context(|| format!("model server \"{url}\""))?;
    if !reply.status.is_success() {
        bail!(
            "model server \"{url}\" answered {}: {}",
            reply.status,
            reply.begin(200)
        );
    }
    serde_json::from_slice(&reply.body).with_context(|| format!("the answer of \"{url}\""))
}

/// All instance types and CPU models of the bundled tables.
fn bundled(selector: &Selector) -> impl Iterator<Item = (&'static str, String)> {
    let catalog = selector.catalog();
    let figures = catalog
        .instance_figures
        .iter()
        .map(|one| &one.instance_type);
    let types = catalog.instance_types.iter().map(|one| &one.instance_type);
    let instances: BTreeSet<String> = figures.chain(types).cloned().collect();
    let cpus = catalog.machines.iter().map(|machine| &machine.host.cpu);
    let cpus: BTreeSet<String> = cpus.filter(|cpu| !cpu.is_empty()).cloned().collect();
    let instances = instances.into_iter().map(|name| ("instance", name));
    instances.chain(cpus.into_iter().map(|name| ("cpu", name)))
}

fn select(selector: &Selector, kind: &str, name: &str) -> anyhow::Result<Selection> {
    let name = Some(name.to_owned());
    let features = if kind == "instance" {
        MachineFeatures {
            instance_type: name,
            ..MachineFeatures::default()
        }
    } else {
        MachineFeatures {
            cpu_name: name,
            ..MachineFeatures::default()
        }
    };
    Ok(selector.select(&Machine::new(features))?)
}

fn list(learned: &Learned, selector: &Selector) -> anyhow::Result<String> {
    let mut text = format!("{:<9} {:<56} {:<18} DIGEST\n", "KIND", "NAME", "TIER");
    let mut line = |kind: &str, name: &str, tier: &str, digest: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{kind:<9} {name:<56} {tier:<18} {digest}");
    };
    for one in &learned.types {
        let tier = if one.in_service == types::PRIOR {
            "bundled"
        } else {
            "learned"
        };
        line("nodetype", &one.name, tier, &one.in_service);
    }
    for model in &learned.models {
        line("model", &model.name, &model.tier, &model.digest);
    }
    for (kind, name) in bundled(selector) {
        let selection = select(selector, kind, &name)?;
        line(kind, &name, selection.tier.name(), &selection.digest);
    }
    Ok(text)
}

/// The document that a name stands for: what was learned before what is
/// bundled.
async fn find(learned: &Learned, name: &str) -> anyhow::Result<ModelDocument> {
    if let Some(one) = learned.types.iter().find(|one| one.name == name) {
        if one.in_service == types::PRIOR {
            let machine = Machine::new(one.machine.clone());
            return Ok(learn()?.select(&machine)?.document);
        }
        let found = learned.document(&one.in_service).await?;
        return found.with_context(|| {
            format!(
                "node type \"{name}\" is served by {}, which is missing",
                one.in_service
            )
        });
    }
    // The newest comes first.
    let named = learned.models.iter().find(|model| model.name == name);
    let digest = named.map_or(name, |model| model.digest.as_str());
    if digest.starts_with("sha256:")
        && let Some(document) = learned.document(digest).await?
    {
        return Ok(document);
    }
    let selector = learn()?;
    let wanted = cpu_name::key(name);
    let mut near = Vec::new();
    for (kind, bundled) in bundled(&selector) {
        if bundled == name || (kind == "cpu" && bundled == wanted) {
            return Ok(select(&selector, kind, &bundled)?.document);
        }
        if digest.starts_with("sha256:") {
            let selection = select(&selector, kind, &bundled)?;
            if selection.digest == digest {
                return Ok(selection.document);
            }
        } else if bundled.contains(&name.to_lowercase()) && near.len() < NEAR_MAX {
            near.push(format!("\"{bundled}\""));
        }
    }
    let near = if near.is_empty() {
        String::new()
    } else {
        format!("; near it are {}", near.join(", "))
    };
    bail!(
        "no model \"{name}\"; accepted is a name or digest that `export --list` shows, with --store or --server for what was learned{near}"
    )
}
