//! Request the glass: a person makes a `BreakGlass`, with the rights of their own kubeconfig.

use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use kube::config::KubeConfigOptions;
use kube::core::GroupVersionKind;
use kube::{Client, Config, ResourceExt as _};
use serde_json::json;

use crate::cluster::ConnectError;
use driftwall_core::policy::{BREAK_GLASS_GROUP, BREAK_GLASS_PLURAL, BREAK_GLASS_VERSION};

/// What is to be let through.
#[derive(Clone, Debug)]
pub struct Request {
    /// The namespace of the objects; the kubeconfig's own where it is `None`.
    pub namespace: Option<String>,
    /// Kinds and names, each a glob.
    pub objects: Vec<(String, String)>,
    /// For whom; whoever asks, where neither users nor groups are named.
    pub users: Vec<String>,
    /// For members of which groups.
    pub groups: Vec<String>,
    /// Why.
    pub reason: String,
    /// When it ends.
    pub until: Timestamp,
    /// Whether the API server is only to say what it would do.
    pub dry_run: bool,
}

/// What was let through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// The namespace.
    pub namespace: String,
    /// The name of the `BreakGlass`.
    pub name: String,
    /// For whom.
    pub users: Vec<String>,
}

/// The glass did not break.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// No cluster is reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The cluster has no such kind.
    #[error(
        "failed to break the glass: the cluster has no BreakGlass, so driftwall is not installed there, or without it"
    )]
    NoKind,
    /// The API server does not say who asks.
    #[error("failed to ask the API server who you are ({0}): say for whom with --user or --group")]
    Nobody(kube::Error),
    /// The API server, or driftwall, says no.
    #[error("failed to break the glass: {0}")]
    Refused(String),
    /// The API server is not reached.
    #[error("failed to break the glass: {0}")]
    Unreachable(kube::Error),
}

/// Makes a `BreakGlass` in the cluster of the kubeconfig's `context`, or its current one.
pub async fn create(context: Option<String>, breaking: Request) -> Result<Created, CreateError> {
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    let config = Config::from_kubeconfig(&options).await.map_err(ConnectError::from)?;
    let default_namespace = config.default_namespace.clone();
    let client = Client::try_from(config).map_err(|error| ConnectError::from(Box::new(error)))?;
    let Request { namespace, objects, mut users, groups, reason, until, dry_run } = breaking;
    if users.is_empty() && groups.is_empty() {
        users.push(who_asks(&client).await?);
    }
    let namespace = namespace.unwrap_or(default_namespace);
    let kind = GroupVersionKind::gvk(BREAK_GLASS_GROUP, BREAK_GLASS_VERSION, "BreakGlass");
    let kind = ApiResource::from_gvk_with_plural(&kind, BREAK_GLASS_PLURAL);
    let api: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &kind);
    let objects: Vec<_> = objects.into_iter().map(|(kind, name)| json!({"kind": kind, "name": name})).collect();
    let mut object = DynamicObject::new("", &kind);
    object.metadata.name = None;
    object.metadata.generate_name = Some("break-glass-".into());
    object.data = json!({"spec": {
        "objects": objects, "users": users, "groups": groups, "reason": reason, "until": until.to_string(),
    }});
    let made = api.create(&PostParams { dry_run, ..PostParams::default() }, &object).await;
    match made {
        Ok(made) => Ok(Created { namespace, name: made.name_any(), users }),
        Err(kube::Error::Api(status)) if status.code == 404 && !status.message.contains("namespaces") => {
            Err(CreateError::NoKind)
        }
        Err(kube::Error::Api(status)) => Err(CreateError::Refused(status.message)),
        Err(error) => Err(CreateError::Unreachable(error)),
    }
}

async fn who_asks(client: &Client) -> Result<String, CreateError> {
    let api: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = api.create(&PostParams::default(), &SelfSubjectReview::default()).await;
    let review = review.map_err(CreateError::Nobody)?;
    let name = review.status.and_then(|status| status.user_info).and_then(|user| user.username);
    Ok(name.unwrap_or_default())
}
