//! What tells this installation of driftwall from others of its name.

use std::fmt;

use serde_json::{Value, json};

/// In the place of a uid that cannot be read.
const UNKNOWN_UID: &str = "unknown";

/// The uids of the Deployment and of the `ClusterRole`. When the `ClusterRole` is deleted, the garbage collector deletes
/// the webhook configuration too, and that is not somebody's removal.
#[derive(Debug, Default)]
pub(super) struct Installation {
    /// Once it could be read.
    pub(super) deployment_uid: Option<String>,
    /// Where it can be read.
    pub(super) cluster_role_uid: Option<String>,
}

impl Installation {
    fn uids(&self) -> [&str; 2] {
        [&self.deployment_uid, &self.cluster_role_uid].map(|uid| uid.as_deref().unwrap_or(UNKNOWN_UID))
    }

    /// Whether it is the one that was noted so. A role that cannot be read for a while is not another role.
    pub(super) fn is(&self, noted: &str) -> bool {
        let [deployment, role] = self.uids();
        let (noted_deployment, noted_role) = noted.split_once(' ').unwrap_or((noted, UNKNOWN_UID));
        noted_deployment == deployment && (noted_role == role || [noted_role, role].contains(&UNKNOWN_UID))
    }

    /// Whether the `ClusterRole` that exists owns the webhook configuration.
    pub(super) fn owns(&self, config: Option<&Value>) -> bool {
        let Some(role) = &self.cluster_role_uid else { return true };
        let owners = config.and_then(|config| config["metadata"]["ownerReferences"].as_array());
        owners.into_iter().flatten().any(|owner| owner["uid"] == **role)
    }

    /// The reference by which the `ClusterRole` of this name owns the webhook configuration.
    pub(super) fn owner_reference(&self, name: &str) -> Option<Value> {
        let uid = self.cluster_role_uid.as_ref()?;
        Some(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "name": name, "uid": uid}))
    }
}

/// As it is noted.
impl fmt::Display for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [deployment, role] = self.uids();
        write!(f, "{deployment} {role}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_is_known_by_its_note() {
        let of = |deployment: Option<&str>, role: Option<&str>| Installation {
            deployment_uid: deployment.map(str::to_owned),
            cluster_role_uid: role.map(str::to_owned),
        };
        for (installation, noted, is_it) in [
            (of(Some("a"), Some("r")), "a r", true),
            (of(Some("a"), Some("r")), "b r", false),
            (of(Some("a"), Some("r")), "a s", false),
            (of(Some("a"), None), "a s", true),
            (of(Some("a"), Some("r")), "a unknown", true),
            (of(Some("a"), Some("r")), "a", true),
            (of(None, None), "unknown unknown", true),
            (of(None, None), "a r", false),
        ] {
            assert_eq!(installation.is(noted), is_it, "{installation:?} {noted}");
            assert!(installation.is(&installation.to_string()), "{installation:?}");
        }
    }
}
