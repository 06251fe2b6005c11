//! The sources that Flux deploys from: where they are, and what is newest there.

use serde_json::Value;

use super::super::fields::{optional_text, text};

/// Which source.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FluxSourceName {
    /// The kind: `GitRepository`, `OCIRepository`, `Bucket`, `HelmChart`, `HelmRepository`, …
    pub kind: String,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

/// A source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FluxSource {
    /// Its address, without credentials; empty where it has none.
    pub url: String,
    /// The branch, tag, commit or range that it follows.
    pub revision: String,
    /// The newest revision that was fetched; empty before the first.
    pub newest: String,
    /// The chart that it is.
    pub chart: Option<String>,
    /// The source that it comes from: of a `HelmChart`, its repository.
    pub from: Option<FluxSourceName>,
}

/// Reads an object of the group `source.toolkit.fluxcd.io`.
pub fn parse_source(object: &Value) -> Option<(FluxSourceName, FluxSource)> {
    let (namespace, name) = super::super::fields::identity(object)?;
    let kind = optional_text(object, "/kind")?;
    // Which of them counts: `fluxcd/source-controller`, `api/v1/gitrepository_types.go`.
    let refs = ["commit", "name", "digest", "semver", "tag", "branch"];
    let revision = refs.iter().find_map(|field| optional_text(object, &format!("/spec/ref/{field}")));
    let is_chart = kind == "HelmChart";
    let url = match &*kind {
        "Bucket" => format!("{}/{}", text(object, "/spec/endpoint"), text(object, "/spec/bucketName")),
        _ => text(object, "/spec/url"),
    };
    let source = FluxSource {
        url: without_credentials(&url),
        revision: revision.or_else(|| optional_text(object, "/spec/version")).unwrap_or_default(),
        newest: text(object, "/status/artifact/revision"),
        chart: optional_text(object, "/spec/chart").filter(|_| is_chart),
        from: FluxSourceName::referenced(object, "/spec/sourceRef", &namespace).filter(|_| is_chart),
    };
    Some((FluxSourceName { kind, namespace, name }, source))
}

/// An address without a user and password in it.
pub(crate) fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    match host.rsplit_once('@') {
        // The user of SSH is no secret, and people need it.
        Some((user, host)) if scheme.ends_with("ssh") => {
            format!("{scheme}://{}@{host}{path}", user.split(':').next().unwrap_or_default())
        }
        Some((_, host)) => format!("{scheme}://{host}{path}"),
        None => url.to_owned(),
    }
}

impl FluxSourceName {
    /// The source that a `sourceRef` or `chartRef` at a JSON pointer names.
    pub(super) fn referenced(object: &Value, pointer: &str, namespace: &str) -> Option<Self> {
        let reference = object.pointer(pointer)?;
        Some(Self {
            kind: optional_text(reference, "/kind")?,
            namespace: optional_text(reference, "/namespace").unwrap_or_else(|| namespace.to_owned()),
            name: optional_text(reference, "/name")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_taken_out_of_an_address() {
        for (url, shown) in [
            ("https://git.example.org/a/b.git", "https://git.example.org/a/b.git"),
            ("https://bob:secret@git.example.org/a", "https://git.example.org/a"),
            ("https://token@git.example.org", "https://git.example.org"),
            ("ssh://git:secret@git.example.org/a@b", "ssh://git@git.example.org/a@b"),
            ("git@github.com:acme/gitops.git", "git@github.com:acme/gitops.git"),
            ("oci://registry.example.org/app", "oci://registry.example.org/app"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }
}
