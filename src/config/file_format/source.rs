//! What is written of sources: repositories, how they are read and rendered.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Mode;

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Source {
    /// Name of the source, in messages, logs and metrics. No two sources have the same one.
    #[schemars(length(min = 1), example = &"prod")]
    pub(crate) name: String,
    /// The repository: an address (`https://`, `ssh://`, `git@host:path`, `file://`) or a path on this machine. With
    /// `chart`, a chart repository (`https://`) or a folder of an OCI registry (`oci://`).
    #[schemars(example = &"https://example.org/acme/gitops.git")]
    pub(crate) repo: String,
    /// Name of a Helm chart in `repo`, which is then a chart repository or registry and not a Git repository.
    #[schemars(length(min = 1), example = &"web")]
    pub(crate) chart: Option<String>,
    /// Version of `chart`, or a range as Helm reads it, such as `^1.2`, `~1.2.3`, `1.x`: the newest in it counts.
    /// Without it, the newest release.
    #[schemars(example = &"^1.2")]
    pub(crate) version: Option<String>,
    /// Branch, tag or commit.
    #[schemars(length(min = 1), example = &"main")]
    #[serde(default = "head")]
    pub(crate) revision: String,
    /// Folder or file in the repository: manifests (folders are read recursively), a kustomization or a Helm
    /// chart. Empty means the whole repository.
    #[schemars(example = &"apps/prod")]
    #[serde(default)]
    pub(crate) path: String,
    /// Namespace of objects whose manifests name none.
    #[schemars(example = &"prod")]
    pub(crate) namespace: Option<String>,
    /// Credentials for the repository's server. Each is a file, which is read again at each use.
    #[serde(default)]
    pub(crate) auth: Auth,
    /// How `path` becomes objects.
    #[schemars(example = &"auto")]
    #[serde(default)]
    pub(crate) render: Render,
    /// Whether a kustomization may refer to bases in other repositories.
    #[schemars(example = false)]
    #[serde(default)]
    pub(crate) allow_remote: bool,
    /// How a kustomization is built, as `kustomize.buildOptions` of Argo CD.
    #[serde(default)]
    pub(crate) build_options: BuildOptions,
    /// Values and options for a Helm chart.
    #[serde(default)]
    pub(crate) helm: Helm,
    /// Whether Flux substitutes `${VAR}` in these manifests: its Kustomization has `spec.postBuild`. What a variable
    /// stands for is then hidden, and the text around it is compared. Otherwise `${VAR}` is a text like any other.
    #[schemars(example = true)]
    #[serde(default)]
    pub(crate) substitute: bool,
    /// Globs of the files to read, relative to `path`. Without any, all are read. For plain manifests only.
    #[schemars(example = ["**/*.yaml"])]
    #[serde(default)]
    pub(crate) include: Vec<String>,
    /// Globs of files not to read, relative to `path`. For plain manifests only.
    #[schemars(example = ["tests/**"])]
    #[serde(default)]
    pub(crate) exclude: Vec<String>,
    /// A mode for drift from this source, softer than the global one.
    #[schemars(example = &"warn")]
    pub(crate) mode: Option<Mode>,
    /// Where two sources declare the same object, the one with the higher number counts. With equal numbers,
    /// different content is contested: drift of that object is a warning at most.
    #[schemars(example = 0)]
    #[serde(default)]
    pub(crate) priority: i32,
    /// Globs of the namespaces in which this source may declare objects; all,
    /// where there are none. What it declares elsewhere does not count, and while it
    /// is unread or broken, nothing changes elsewhere. With globs it declares
    /// nothing cluster-scoped but namespaces that match.
    #[schemars(example = ["team-a-*"])]
    #[serde(default)]
    pub(crate) namespaces: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Repository {
    /// What the addresses begin with: `https://` or `oci://`. An `http://` address here allows that charts are
    /// fetched from it without TLS. Of several that fit, the longest counts.
    #[schemars(length(min = 1), example = &"https://charts.example.org/acme")]
    pub(crate) url: String,
    /// Credentials for these addresses. Each is a file, which is read again at each use.
    #[serde(default)]
    pub(crate) auth: Auth,
}

#[allow(clippy::struct_field_names, reason = "the names are those of the configuration")]
#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Auth {
    /// File of a token, for `https://`. Cannot be combined with `passwordFile`.
    #[schemars(length(min = 1), example = &"/git/token")]
    pub(crate) token_file: Option<String>,
    /// File of a user name, for `https://`; with `passwordFile` or `tokenFile`.
    #[schemars(length(min = 1), example = &"/git/username")]
    pub(crate) username_file: Option<String>,
    /// File of a password, for `https://`; with `usernameFile`.
    #[schemars(length(min = 1), example = &"/git/password")]
    pub(crate) password_file: Option<String>,
    /// PEM file of the CA of the server, for `https://`; without it, the system's CAs are trusted.
    #[schemars(length(min = 1), example = &"/git/ca.crt")]
    pub(crate) ca_file: Option<String>,
    /// File of a private key, OpenSSH or PEM, for ssh.
    #[schemars(length(min = 1), example = &"/git/id_ed25519")]
    pub(crate) ssh_key_file: Option<String>,
    /// File of the passphrase of `sshKeyFile`.
    #[schemars(length(min = 1), example = &"/git/passphrase")]
    pub(crate) ssh_passphrase_file: Option<String>,
    /// File of the server's public keys, in the format of OpenSSH's `known_hosts`. ssh needs it.
    #[schemars(length(min = 1), example = &"/git/known_hosts")]
    pub(crate) known_hosts_file: Option<String>,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Render {
    /// Helm where there is a `Chart.yaml`, kustomize where there is a kustomization, plain otherwise; plain too
    /// where `include` or `exclude` is given.
    #[default]
    Auto,
    /// The manifests as they are.
    Plain,
    /// With `kustomize build`, or `kubectl kustomize`.
    Kustomize,
    /// With `helm template`.
    Helm,
}

#[derive(Default, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BuildOptions {
    /// Whether a kustomization may have `helmCharts` (`--enable-helm`). driftwall fetches the charts itself;
    /// `kubeVersion` and `apiVersions` of `helm` apply to them.
    #[schemars(example = true)]
    #[serde(default)]
    pub(crate) enable_helm: bool,
    /// Which files a kustomization may read (`--load-restrictor`).
    #[schemars(example = &"LoadRestrictionsNone")]
    #[serde(default)]
    pub(crate) load_restrictor: LoadRestrictor,
}

#[derive(Clone, Copy, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub(crate) enum LoadRestrictor {
    /// Files in its own folder, and other kustomizations.
    #[default]
    LoadRestrictionsRootOnly,
    /// Any file of the repository.
    LoadRestrictionsNone,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Helm {
    /// Name of the release. Without it, the name of the source.
    #[schemars(example = &"prod")]
    #[serde(default)]
    pub(crate) release_name: String,
    /// Values files in the repository, relative to `path`; later ones take precedence.
    #[schemars(example = ["values-prod.yaml"])]
    #[serde(default)]
    pub(crate) values_files: Vec<String>,
    /// Values as YAML text; they take precedence over `valuesFiles`.
    #[schemars(example = &"replicas: 3")]
    pub(crate) values: Option<String>,
    /// The Kubernetes version that the chart is rendered for (`helm template --kube-version`).
    #[schemars(example = &"1.33.0")]
    pub(crate) kube_version: Option<String>,
    /// API versions in the chart's `.Capabilities.APIVersions` (`helm template --api-versions`).
    #[schemars(example = ["monitoring.coreos.com/v1"])]
    #[serde(default)]
    pub(crate) api_versions: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Rendering {
    /// How many kustomizations and charts are rendered at once. Further ones wait; each source has its turn.
    #[schemars(range(min = 1, max = 64), example = 2)]
    pub(crate) parallel: u8,
    /// How much memory a program that renders may use, at least `128Mi`: `kubectl` and `helm` start with 96 MiB and
    /// take more in steps of 64 MiB.
    #[schemars(example = &"384Mi")]
    pub(crate) memory: String,
    /// How long a program that renders may run: a duration.
    #[schemars(example = &"1m")]
    pub(crate) timeout: String,
    /// A `driftwall renderer` that renders instead of this process, apart from its keys and credentials.
    pub(crate) renderer: Option<Renderer>,
}

impl Default for Rendering {
    fn default() -> Self {
        Self { parallel: 2, memory: "384Mi".into(), timeout: "1m".into(), renderer: None }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Renderer {
    /// Name and port of the renderer. Its certificate must have the name.
    #[schemars(example = &"driftwall-renderer.driftwall.svc:8444")]
    pub(crate) address: String,
    /// PEM file of the CA of the renderer's certificate. It is read again at each use, as are the others.
    #[schemars(length(min = 1), example = &"/renderer/ca.crt")]
    pub(crate) ca_file: String,
    /// PEM file of the certificate by which driftwall shows the renderer who it is.
    #[schemars(length(min = 1), example = &"/renderer/client.crt")]
    pub(crate) cert_file: String,
    /// PEM file of the key of `certFile`.
    #[schemars(length(min = 1), example = &"/renderer/client.key")]
    pub(crate) key_file: String,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Programs {
    /// Path of `kustomize`.
    #[schemars(length(min = 1), example = &"/usr/bin/kustomize")]
    pub(crate) kustomize: Option<String>,
    /// Path of `kubectl`, which renders kustomizations where there is no `kustomize`.
    #[schemars(length(min = 1), example = &"/usr/bin/kubectl")]
    pub(crate) kubectl: Option<String>,
    /// Path of `helm`.
    #[schemars(length(min = 1), example = &"/usr/bin/helm")]
    pub(crate) helm: Option<String>,
}

fn head() -> String {
    "HEAD".into()
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Git {
    /// How often each repository is polled, for all its sources at once: a duration.
    #[schemars(example = &"30s")]
    pub(crate) poll: String,
    /// Without effect, and still accepted: before every denial the source is polled, so that nobody is denied for what
    /// was pushed a moment ago.
    #[schemars(extend("x-old-name" = "freshness"), example = &"5s")]
    pub(crate) refresh_after: Option<String>,
    /// How long a denial waits at most for a sync that began after the review arrived: a duration. It adds to the
    /// latency of a denial only.
    #[schemars(extend("x-old-name" = "longestLook"), example = &"2500ms")]
    pub(crate) refresh_timeout: String,
    /// Folder of the mirrors of repositories on servers. Use a persistent volume where they must survive a
    /// replacement of the pod.
    #[schemars(length(min = 1), extend("x-old-name" = "data"), example = &"/var/lib/driftwall")]
    pub(crate) data_dir: String,
    /// The most bytes that the mirror of one repository may take in `dataDir`: a number with `Ki`, `Mi` or `Gi`. A
    /// mirror has the newest commit of each revision, without its history; for moments, as it is joined or cloned
    /// again, there are two of it. A commit that would exceed this is not read, and the source reports it.
    #[schemars(example = &"4Gi")]
    pub(crate) max_mirror_size: String,
}

impl Default for Git {
    fn default() -> Self {
        Self {
            poll: "30s".into(),
            refresh_after: None,
            refresh_timeout: "2500ms".into(),
            data_dir: "/var/lib/driftwall".into(),
            max_mirror_size: "4Gi".into(),
        }
    }
}
