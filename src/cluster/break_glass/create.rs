//! Creates a `BreakGlass`, with the rights of the user's own kubeconfig.

use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Api, DynamicObject, PostParams};
use kube::config::KubeConfigOptions;
use kube::{Client, Config, ResourceExt as _};
use serde_json::json;

use super::api_resource;
use crate::cluster::ConnectError;

/// Which drift is to be allowed, for whom and for how long.
#[derive(Clone, Debug)]
pub struct BreakGlassRequest {
    /// The namespace of the objects; `None` takes the kubeconfig's own.
    pub namespace: Option<String>,
    /// Kinds and names, each a glob.
    pub objects: Vec<(String, String)>,
    /// The users whose drift is allowed. Whoever asks, where neither users nor groups are named.
    pub users: Vec<String>,
    /// The groups whose members' drift is allowed.
    pub groups: Vec<String>,
    /// Why, for whoever reads it later.
    pub reason: String,
    /// When it expires.
    pub until: Timestamp,
    /// Whether the API server only validates it.
    pub dry_run: bool,
}

/// A `BreakGlass` that was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedBreakGlass {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The users whose drift is allowed.
    pub users: Vec<String>,
}

/// The `BreakGlass` was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// No cluster can be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The cluster does not have the kind.
    #[error(
        "failed to create a BreakGlass: the cluster does not know this kind, so driftwall is not installed there, \
         or without it"
    )]
    NoKind,
    /// The API server does not say who asks.
    #[error("failed to ask the API server who you are ({0}): name the users or groups with --user or --group")]
    UnknownUser(kube::Error),
    /// The API server, or driftwall, refuses it.
    #[error("failed to create a BreakGlass: {0}")]
    Refused(String),
    /// The API server cannot be reached.
    #[error("failed to create a BreakGlass: {0}")]
    Unreachable(kube::Error),
}

/// Creates a `BreakGlass` in the cluster of the kubeconfig's `context`; `None` takes the current one.
pub async fn create(context: Option<String>, request: BreakGlassRequest) -> Result<CreatedBreakGlass, CreateError> {
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    let config = Config::from_kubeconfig(&options).await.map_err(ConnectError::from)?;
    let default_namespace = config.default_namespace.clone();
    let client = Client::try_from(config).map_err(|error| ConnectError::from(Box::new(error)))?;

    let BreakGlassRequest { namespace, objects, mut users, groups, reason, until, dry_run } = request;
    if users.is_empty() && groups.is_empty() {
        users.push(current_user(&client).await?);
    }
    let namespace = namespace.unwrap_or(default_namespace);
    let resource = api_resource();
    let objects: Vec<_> = objects.into_iter().map(|(kind, name)| json!({"kind": kind, "name": name})).collect();
    let mut object = DynamicObject::new("", &resource);
    object.metadata.name = None;
    object.metadata.generate_name = Some("break-glass-".into());
    object.data = json!({"spec": {
        "objects": objects, "users": users, "groups": groups, "reason": reason, "until": until.to_string(),
    }});

    let api: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &resource);
    match api.create(&PostParams { dry_run, ..PostParams::default() }, &object).await {
        Ok(created) => Ok(CreatedBreakGlass { namespace, name: created.name_any(), users }),
        // A 404 that names namespaces is about the namespace, not about the kind.
        Err(kube::Error::Api(status)) if status.code == 404 && !status.message.contains("namespaces") => {
            Err(CreateError::NoKind)
        }
        Err(kube::Error::Api(status)) => Err(CreateError::Refused(status.message)),
        Err(error) => Err(CreateError::Unreachable(error)),
    }
}

async fn current_user(client: &Client) -> Result<String, CreateError> {
    let api: Api<SelfSubjectReview> = Api::all(client.clone());
    let review =
        api.create(&PostParams::default(), &SelfSubjectReview::default()).await.map_err(CreateError::UnknownUser)?;
    let user = review.status.and_then(|status| status.user_info);
    Ok(user.and_then(|user| user.username).unwrap_or_default())
}
