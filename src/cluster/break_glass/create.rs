//! Creates a `BreakGlass`, with the rights of the user's own kubeconfig.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Api, DynamicObject, PostParams};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

use super::api_resource;
use crate::cluster::kubeconfig::{ConnectError, ReadKubeconfig, request_problem};
use driftwall_core::policy::{BreakGlass, BreakGlassError};

/// How long the API server may take for each request. A login that a kubeconfig's program asks for is not counted.
const TIMEOUT: Duration = Duration::from_secs(10);

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
    #[error("failed to ask the API server who you are ({0}); name the users or groups with --user or --group")]
    UnknownUser(String),
    /// The API server, or driftwall, refuses it.
    #[error("failed to create a BreakGlass: {0}")]
    Refused(String),
    /// The API server cannot be reached, or does not answer.
    #[error("failed to reach the API server {server}: {reason}")]
    Unreachable {
        /// Its address.
        server: String,
        /// Why.
        reason: String,
    },
}

impl BreakGlassRequest {
    /// Why no API server would accept this, as far as that can be known without one.
    ///
    /// # Errors
    ///
    /// It is not valid.
    pub fn check(&self, now: Timestamp) -> Result<(), BreakGlassError> {
        // Who asks is known later.
        let somebody = ["somebody".to_owned()];
        let users = if self.users.is_empty() && self.groups.is_empty() { &somebody } else { self.users.as_slice() };
        BreakGlass::parse(&json!({"spec": self.spec(users)}), now, Duration::MAX)?;
        if self.until <= now { Err(BreakGlassError::Past(self.until)) } else { Ok(()) }
    }

    fn spec(&self, users: &[String]) -> Value {
        let Self { objects, groups, reason, until, .. } = self;
        let objects: Vec<_> = objects.iter().map(|(kind, name)| json!({"kind": kind, "name": name})).collect();
        json!({"objects": objects, "users": users, "groups": groups, "reason": reason, "until": until.to_string()})
    }
}

/// Creates a `BreakGlass` in the cluster of the kubeconfig's `context`; `None` takes the current one.
pub async fn create(context: Option<String>, request: BreakGlassRequest) -> Result<CreatedBreakGlass, CreateError> {
    let kubeconfig = ReadKubeconfig::from_env(context).await?;
    let config = kubeconfig.config.clone();
    let default_namespace = config.default_namespace.clone();
    let server = config.cluster_url.to_string();
    let client = kubeconfig.client(config)?;

    let mut users = request.users.clone();
    if users.is_empty() && request.groups.is_empty() {
        users.push(current_user(&client, &server).await?);
    }
    let namespace = request.namespace.clone().unwrap_or(default_namespace);
    let resource = api_resource();
    let mut object = DynamicObject::new("", &resource);
    object.metadata.name = None;
    object.metadata.generate_name = Some("break-glass-".into());
    object.data = json!({"spec": request.spec(&users)});

    let api: Api<DynamicObject> = Api::namespaced_with(client, &namespace, &resource);
    let parameters = PostParams { dry_run: request.dry_run, ..PostParams::default() };
    match in_time(&server, api.create(&parameters, &object)).await? {
        Ok(created) => Ok(CreatedBreakGlass { namespace, name: created.name_any(), users }),
        // A 404 that names namespaces is about the namespace, not about the kind.
        Err(kube::Error::Api(status)) if status.code == 404 && !status.message.contains("namespaces") => {
            Err(CreateError::NoKind)
        }
        Err(kube::Error::Api(status)) => Err(CreateError::Refused(status.message)),
        Err(error) => Err(unreachable(&server, &error)),
    }
}

/// The answer to a request, if it comes in time.
async fn in_time<T>(server: &str, request: impl Future<Output = T>) -> Result<T, CreateError> {
    tokio::time::timeout(TIMEOUT, request).await.map_err(|_| CreateError::Unreachable {
        server: server.to_owned(),
        reason: format!("it did not answer within {} s", TIMEOUT.as_secs()),
    })
}

fn unreachable(server: &str, error: &kube::Error) -> CreateError {
    CreateError::Unreachable { server: server.to_owned(), reason: request_problem(error) }
}

async fn current_user(client: &Client, server: &str) -> Result<String, CreateError> {
    let api: Api<SelfSubjectReview> = Api::all(client.clone());
    let (parameters, question) = (PostParams::default(), SelfSubjectReview::default());
    let review = match in_time(server, api.create(&parameters, &question)).await? {
        Ok(review) => review,
        Err(kube::Error::Api(status)) => return Err(CreateError::UnknownUser(status.message)),
        Err(error) => return Err(unreachable(server, &error)),
    };
    let user = review.status.and_then(|status| status.user_info);
    Ok(user.and_then(|user| user.username).unwrap_or_default())
}
