//! Makes the cluster as built, and removes what is no longer wished.
//!
//! Never touches an object of that name that somebody else made.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::ClusterRoleBinding;
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, ResourceExt as _};

use super::build::{Children, Extras, MANAGED_BY};
use super::certificates::Wish;
use super::observe::Live;
use crate::cluster::apply::{Applier, ApplyFault, Change, Object};

/// Why the cluster could not be made as built.
#[derive(Debug, thiserror::Error)]
pub enum RolloutFault {
    /// An object of that name is there and is not ours.
    #[error(
        "{kind} \"{name}\" exists and was not made by tanso; delete or rename it, or name the PowerMonitor differently"
    )]
    Foreign {
        /// Kind of the object.
        kind: String,
        /// Its name.
        name: String,
    },
    /// A write failed.
    #[error(transparent)]
    Write(#[from] ApplyFault),
}

/// What runs after applying.
#[derive(Clone, Debug, Default)]
pub struct Rollout {
    /// The agents.
    pub agent_set: Option<DaemonSet>,
    /// The model server; `None` when switched off.
    pub model_deployment: Option<Deployment>,
    /// Whether anything was written.
    pub wrote: bool,
}

/// Applies for the controller.
#[derive(Clone)]
pub struct Hand {
    client: Client,
    namespace: String,
    applier: Applier,
}

impl Hand {
    /// A hand that works in `namespace`.
    #[must_use]
    pub fn new(client: Client, namespace: &str, applier: Applier) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            applier,
        }
    }

    /// The applier, for the status.
    #[must_use]
    pub const fn applier(&self) -> &Applier {
        &self.applier
    }

    /// Makes the cluster as built. Accounts and settings come first, pods
    /// last, so that no pod starts without them.
    ///
    /// # Errors
    /// If an object is not ours or a write fails; what was written before
    /// stays, and the next visit goes on.
    pub async fn roll_out(&self, live: &Live, wish: &Children) -> Result<Rollout, RolloutFault> {
        let mut wrote = false;
        self.put(live.agent_account.as_ref(), &wish.agent_account, &mut wrote)
            .await?;
        let bindings = Api::all(self.client.clone());
        self.put_at(
            &bindings,
            live.agent_binding.as_ref(),
            &wish.agent_binding,
            &mut wrote,
        )
        .await?;
        self.put(live.agent_config.as_ref(), &wish.agent_config, &mut wrote)
            .await?;
        self.put(live.agent_service.as_ref(), &wish.agent_service, &mut wrote)
            .await?;
        Box::pin(self.settle_extras(&live.extras, &wish.extras, &mut wrote)).await?;
        let model_deployment = if let Some(server) = &wish.model_server {
            self.put(live.model_account.as_ref(), &server.account, &mut wrote)
                .await?;
            self.put(live.model_service.as_ref(), &server.service, &mut wrote)
                .await?;
            let deployment = live.model_deployment.as_ref();
            Some(self.put(deployment, &server.deployment, &mut wrote).await?)
        } else {
            self.remove_model_server(live, &mut wrote).await?;
            None
        };
        let agent_set = self
            .put(live.agent_set.as_ref(), &wish.agent_set, &mut wrote)
            .await?;
        Ok(Rollout {
            agent_set: Some(agent_set),
            model_deployment,
            wrote,
        })
    }

    /// Makes what only some monitors have as wished, and removes the rest.
    async fn settle_extras(
        &self,
        live: &Extras,
        wish: &Extras,
        wrote: &mut bool,
    ) -> Result<(), RolloutFault> {
        let bindings: Api<ClusterRoleBinding> = Api::all(self.client.clone());
        for (live, wish) in [
            (&live.agent_reviews, &wish.agent_reviews),
            (&live.agent_samples, &wish.agent_samples),
            (&live.model_reviews, &wish.model_reviews),
        ] {
            match wish {
                Some(wish) => {
                    self.put_at(&bindings, live.as_ref(), wish, wrote).await?;
                }
                None => self.drop_at(&bindings, live.as_ref(), wrote).await?,
            }
        }
        macro_rules! settle {
            ($($field:ident),*) => {$(
                self.settle(live.$field.as_ref(), wish.$field.as_ref(), wrote)
                    .await?;
            )*};
        }
        settle!(authority, claim, lead_service, readers, budget);
        settle!(agent_policy, model_policy, agent_scrape, model_scrape);
        Ok(())
    }

    /// Writes certificates as wished; returns the live Secrets of agents and
    /// model server after it.
    ///
    /// # Errors
    /// If an object is not ours or a write fails.
    pub async fn certify(
        &self,
        live: &Live,
        wish: &Wish,
    ) -> Result<[Option<Secret>; 2], RolloutFault> {
        let mut wrote = false;
        let mut after = [live.agent_tls.clone(), live.model_tls.clone()];
        for secret in &wish.secrets {
            let name = secret.name_any();
            let all = [&live.authority, &live.agent_tls, &live.model_tls];
            let before = all
                .into_iter()
                .flatten()
                .find(|before| before.name_any() == name);
            let written = self.put(before, secret, &mut wrote).await?;
            let suffixes = ["-agent-tls", "-model-tls"];
            for (place, suffix) in after.iter_mut().zip(suffixes) {
                if name.ends_with(suffix) {
                    *place = Some(written.clone());
                }
            }
        }
        for (at, live) in live.certificates.iter().enumerate() {
            let wish = wish.certificates.as_ref().and_then(|wish| wish.get(at));
            match wish {
                Some(wish) => {
                    self.put(live.as_ref(), wish, &mut wrote).await?;
                }
                None => self.drop(live.as_ref(), &mut wrote).await?,
            }
        }
        Ok(after)
    }

    /// Removes Secrets that were made here and are not used any more; those
    /// of somebody else stay.
    ///
    /// # Errors
    /// If a write fails.
    pub async fn forget_secrets(&self, live: &Live) -> Result<(), RolloutFault> {
        let mut wrote = false;
        for secret in [&live.authority, &live.agent_tls, &live.model_tls] {
            self.drop(secret.as_ref(), &mut wrote).await?;
        }
        Ok(())
    }

    async fn settle<K>(
        &self,
        live: Option<&K>,
        wish: Option<&K>,
        wrote: &mut bool,
    ) -> Result<(), RolloutFault>
    where
        K: Object<Scope = NamespaceResourceScope>,
    {
        match wish {
            Some(wish) => self.put(live, wish, wrote).await.map(|_| ()),
            None => self.drop(live, wrote).await,
        }
    }

    async fn remove_model_server(&self, live: &Live, wrote: &mut bool) -> Result<(), RolloutFault> {
        self.drop(live.model_deployment.as_ref(), wrote).await?;
        self.drop(live.model_service.as_ref(), wrote).await?;
        self.drop(live.model_account.as_ref(), wrote).await
    }

    async fn put<K>(&self, live: Option<&K>, wish: &K, wrote: &mut bool) -> Result<K, RolloutFault>
    where
        K: Object<Scope = NamespaceResourceScope>,
    {
        let api = Api::namespaced(self.client.clone(), &self.namespace);
        self.put_at(&api, live, wish, wrote).await
    }

    async fn put_at<K: Object>(
        &self,
        api: &Api<K>,
        live: Option<&K>,
        wish: &K,
        wrote: &mut bool,
    ) -> Result<K, RolloutFault> {
        if let Some(live) = live
            && !is_ours(live, self.applier.manager())
        {
            return Err(RolloutFault::Foreign {
                kind: K::kind(&()).into_owned(),
                name: live.name_any(),
            });
        }
        let applied = self.applier.apply_over(api, live, wish).await?;
        if applied.change != Change::Unchanged {
            *wrote = true;
            tracing::info!(
                kind = %K::kind(&()),
                name = applied.object.name_any(),
                change = ?applied.change,
                "applied"
            );
        }
        Ok(applied.object)
    }

    async fn drop<K>(&self, live: Option<&K>, wrote: &mut bool) -> Result<(), RolloutFault>
    where
        K: Object<Scope = NamespaceResourceScope>,
    {
        let api = Api::namespaced(self.client.clone(), &self.namespace);
        self.drop_at(&api, live, wrote).await
    }

    async fn drop_at<K: Object>(
        &self,
        api: &Api<K>,
        live: Option<&K>,
        wrote: &mut bool,
    ) -> Result<(), RolloutFault> {
        let Some(live) = live.filter(|live| {
            is_ours(*live, self.applier.manager()) && live.meta().deletion_timestamp.is_none()
        }) else {
            return Ok(());
        };
        self.applier.delete(api, live).await?;
        *wrote = true;
        tracing::info!(kind = %K::kind(&()), name = live.name_any(), "removed");
        Ok(())
    }
}

/// Whether tanso made the object. Either mark will do: labels and owner
/// references may have been stripped, or the object restored from a backup.
fn is_ours<K: Object>(live: &K, manager: &str) -> bool {
    cfg!(feature = "broken-ownership")
        || live.labels().get(MANAGED_BY.0).map(String::as_str) == Some(MANAGED_BY.1)
        || live
            .managed_fields()
            .iter()
            .any(|entry| entry.manager.as_deref() == Some(manager))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_without_any_mark_of_ours_is_foreign() {
        let config = |metadata| -> ConfigMap {
            serde_json::from_value(json!({"metadata": metadata})).unwrap()
        };
        let manager = "tanso-power-monitor";
        assert!(!is_ours(&config(json!({"name": "a"})), manager));
        assert!(is_ours(
            &config(json!({"labels": {"app.kubernetes.io/managed-by": "tanso-operator"}})),
            manager
        ));
        assert!(is_ours(
            &config(json!({"managedFields": [{"manager": manager}]})),
            manager
        ));
    }
}
