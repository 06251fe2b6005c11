//! The kubeconfig, and what is wrong with one: in words that name the file and the key, and show nothing of what
//! the file holds.

use std::env;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use axum::http::HeaderValue;
use kube::client::AuthError;
use kube::config::{AuthInfo, InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError, LoadDataError};
use kube::{Client, Config};

use crate::certs::handshake_failure;
use crate::error_chain::root_cause;

/// A cluster should be reached and cannot be.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig cannot be used.
    #[error("failed to use the kubeconfig {file}: {problem}")]
    Kubeconfig {
        /// The file; where `KUBECONFIG` names several, all of them.
        file: String,
        /// What is wrong, and where.
        problem: String,
    },
    /// The pod has no service account that can be used.
    #[error("failed to use the pod's service account: {0}")]
    ServiceAccount(String),
}

const NO_CA: &str = "certificate-authority (or certificate-authority-data) of the cluster that its context names holds no PEM certificate";

const UNSENDABLE_TOKEN: &str = "token of its user has characters that no token has, such as the end of a line";

/// Where a pod's service account is mounted.
const ACCOUNT_FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A kubeconfig that was read, and whose context can be used.
pub(super) struct ReadKubeconfig {
    pub(super) config: Config,
    file: String,
}

impl ReadKubeconfig {
    /// The one that `KUBECONFIG` names, or that in the home folder; its current context, where none is named.
    pub(super) async fn from_env(context: Option<String>) -> Result<Self, ConnectError> {
        Self::new(files_of_env(), Kubeconfig::read(), context).await
    }

    /// That of a file, with its current context.
    pub(super) async fn from_file(file: &Path) -> Result<Self, ConnectError> {
        Self::new(file.display().to_string(), Kubeconfig::read_from(file), None).await
    }

    async fn new(
        file: String,
        read: Result<Kubeconfig, KubeconfigError>,
        context: Option<String>,
    ) -> Result<Self, ConnectError> {
        let failed = |problem: String| ConnectError::Kubeconfig { file: file.clone(), problem };
        let kubeconfig = read.map_err(|error| failed(read_problem(&error, &file)))?;
        let contexts: Vec<_> = kubeconfig.contexts.iter().map(|context| context.name.clone()).collect();
        let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
        match Config::from_custom_kubeconfig(kubeconfig, &options).await {
            Ok(config) if has_no_ca(&config) => Err(failed(NO_CA.to_owned())),
            Ok(config) => Ok(Self { config, file }),
            Err(error) => Err(failed(problem(&error, &contexts))),
        }
    }

    /// A client by it. A program that it names for the login is run.
    pub(super) fn client(&self, config: Config) -> Result<Client, ConnectError> {
        let auth_info = config.auth_info.clone();
        let failed = |problem: String| ConnectError::Kubeconfig { file: self.file.clone(), problem };
        if has_unsendable_token(&auth_info) {
            return Err(failed(UNSENDABLE_TOKEN.to_owned()));
        }
        Client::try_from(config).map_err(|error| failed(client_problem(&error, &auth_info)))
    }
}

/// A client by the pod's service account.
pub(super) fn client_in_cluster(config: Config) -> Result<Client, ConnectError> {
    let auth_info = config.auth_info.clone();
    Client::try_from(config).map_err(|error| ConnectError::ServiceAccount(client_problem(&error, &auth_info)))
}

pub(super) fn config_in_cluster() -> Result<Config, ConnectError> {
    let config = Config::incluster_env().map_err(|error| ConnectError::ServiceAccount(account_problem(&error)))?;
    if has_no_ca(&config) {
        return Err(ConnectError::ServiceAccount(format!("{ACCOUNT_FOLDER}/ca.crt holds no PEM certificate")));
    }
    Ok(config)
}

/// Whether the token cannot stand in a header: the library would panic.
fn has_unsendable_token(auth_info: &AuthInfo) -> bool {
    let written = serde_json::to_value(auth_info).unwrap_or_default();
    written["token"].as_str().is_some_and(|token| HeaderValue::from_str(token).is_err())
}

/// Whether there is a place for CAs, and no CA in it: the library takes what is not PEM for a comment.
fn has_no_ca(config: &Config) -> bool {
    config.root_cert.as_ref().is_some_and(Vec::is_empty)
}

/// What the API server could not be asked for, and not for want of an answer of its own.
pub(super) fn request_problem(error: &kube::Error) -> String {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<AuthError>() {
            return format!("the login of the kubeconfig: {}", auth_problem(error, &AuthInfo::default()));
        }
        if let Some(error) = error.downcast_ref::<std::io::Error>()
            && error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).is_some()
        {
            return format!("its certificate: {}", handshake_failure(error));
        }
        cause = error.source();
    }
    root_cause(error)
}

/// The files of the environment's kubeconfig, as messages name them.
fn files_of_env() -> String {
    let of_env = env::var_os("KUBECONFIG").filter(|value| !value.is_empty());
    let files: Vec<PathBuf> = match &of_env {
        Some(value) => env::split_paths(value).filter(|path| !path.as_os_str().is_empty()).collect(),
        None => env::home_dir().map(|home| home.join(".kube/config")).into_iter().collect(),
    };
    let files = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
    if of_env.is_some() { files } else { format!("{files} (KUBECONFIG names another)") }
}

/// Why the files cannot be read. Which one it is, is said already where there is only one.
fn read_problem(error: &KubeconfigError, files: &str) -> String {
    match error {
        KubeconfigError::ReadConfig(error, _) if !files.contains(", ") => root_cause(error),
        other => problem(other, &[]),
    }
}

fn problem(error: &KubeconfigError, contexts: &[String]) -> String {
    let of_cluster = |key: &str, words: &str| format!("{key} of the cluster that its context names {words}");
    match error {
        KubeconfigError::CurrentContextNotSet => {
            format!("it has no current-context; set one: kubectl config use-context NAME ({})", named(contexts))
        }
        KubeconfigError::KindMismatch => "its files are not all of `kind: Config`".into(),
        KubeconfigError::ApiVersionMismatch => "its files are not all of `apiVersion: v1`".into(),
        KubeconfigError::LoadContext(name) => format!("it has no context `{name}` ({})", named(contexts)),
        KubeconfigError::LoadClusterOfContext(name) => {
            format!("its context names the cluster `{name}`, which is not among its clusters")
        }
        KubeconfigError::FindPath => "no home folder is known; name the file in KUBECONFIG".into(),
        KubeconfigError::ReadConfig(error, file) => format!("{}: {}", file.display(), root_cause(error)),
        // The parser's own words would quote what is written there.
        KubeconfigError::Parse(error) => match error.without_snippet().location() {
            Some(place) => format!("line {}, column {}: it is no kubeconfig", place.line(), place.column()),
            None => "it is no kubeconfig".into(),
        },
        KubeconfigError::MissingClusterUrl => of_cluster("server", "is missing"),
        KubeconfigError::ParseClusterUrl(_) => of_cluster("server", "is no URL; write one such as https://HOST:6443"),
        KubeconfigError::ParseProxyUrl(_) => {
            of_cluster("proxy-url", "(or HTTPS_PROXY) is no URL; write one such as http://HOST:3128")
        }
        KubeconfigError::LoadCertificateAuthority(error) => data_problem("certificate-authority", error),
        KubeconfigError::ParseCertificates(_) => NO_CA.to_owned(),
        KubeconfigError::LoadClientCertificate(error) => data_problem("client-certificate", error),
        KubeconfigError::LoadClientKey(error) => data_problem("client-key", error),
    }
}

/// What is wrong with a key that names a file, or with its twin that holds the data.
fn data_problem(key: &str, error: &LoadDataError) -> String {
    match error {
        LoadDataError::DecodeBase64(_) => format!("{key}-data is no base64"),
        LoadDataError::ReadFile(error, file) => format!("{key} {}: {}", file.display(), root_cause(error)),
        LoadDataError::NoBase64DataOrFile => format!("{key} is missing; give {key} or {key}-data"),
    }
}

fn client_problem(error: &kube::Error, auth_info: &AuthInfo) -> String {
    match error {
        kube::Error::Auth(error) => auth_problem(error, auth_info),
        kube::Error::InferKubeconfig(error) => problem(error, &[]),
        kube::Error::RustlsTls(error) => tls_problem(error),
        kube::Error::ProxyProtocolUnsupported { proxy_url } | kube::Error::ProxyProtocolDisabled { proxy_url, .. } => {
            let scheme = proxy_url.scheme_str().unwrap_or_default();
            format!("proxy-url (or HTTPS_PROXY) of its cluster: {scheme} is no protocol that is supported; use http")
        }
        other => root_cause(other),
    }
}

fn tls_problem(error: &kube::client::RustlsTlsError) -> String {
    use kube::client::RustlsTlsError as Error;
    match error {
        Error::InvalidIdentityPem(_) | Error::MissingCertificate => {
            "client-certificate-data of its user holds no PEM certificate".into()
        }
        Error::MissingPrivateKey | Error::UnknownPrivateKeyFormat => {
            "client-key-data of its user holds no PEM private key".into()
        }
        Error::InvalidPrivateKey(_) => "client-key-data of its user does not fit client-certificate-data".into(),
        Error::AddRootCertificate(_) => "certificate-authority-data of its cluster holds what is no CA".into(),
        Error::NoValidNativeRootCA(_) => {
            "it names no certificate-authority, and this machine has no CAs of its own".into()
        }
        Error::InvalidServerName(_) => "tls-server-name of its cluster is no host name".into(),
    }
}

/// What is wrong with how the user of a kubeconfig logs in. What a program printed may hold a token, and is not shown.
fn auth_problem(error: &AuthError, auth_info: &AuthInfo) -> String {
    let program = auth_info.exec.as_ref().and_then(|exec| exec.command.as_deref());
    let program = match program {
        Some(program) => format!("the program `{program}` (exec of its user)"),
        None => "the program for the login (exec of its user)".to_owned(),
    };
    let of_program = |words: &dyn Display| format!("{program} {words}");
    match error {
        AuthError::InvalidBasicAuth(_) => "username and password of its user cannot be sent".into(),
        AuthError::InvalidBearerToken(_) => UNSENDABLE_TOKEN.to_owned(),
        AuthError::UnrefreshableTokenResponse => of_program(&"gives another kind of login than before"),
        AuthError::ExecPluginFailed => of_program(&"printed no `status`"),
        AuthError::MalformedTokenExpirationDate(_) => of_program(&"printed an expirationTimestamp that is no time"),
        AuthError::AuthExecStart(error) => of_program(&format!("cannot be started: {}", root_cause(error))),
        AuthError::AuthExecRun { out, .. } => of_program(&format!("failed: {}", out.status)),
        AuthError::AuthExecParse(_) => of_program(&"printed no ExecCredential"),
        AuthError::MissingCommand => "exec.command of its user is missing".into(),
        AuthError::ExecMissingClusterInfo => of_program(&"wants provideClusterInfo, and its cluster is not known"),
        AuthError::ReadTokenFile(error, file) => format!("tokenFile {}: {}", file.display(), root_cause(error)),
        AuthError::ParseTokenKey(_) => "auth-provider of its user: token-key is not found in what it printed".into(),
        AuthError::NoValidNativeRootCA(_) => "this machine has no CAs of its own".into(),
        AuthError::AuthExecSerialize(_) | AuthError::AuthExec(_) => of_program(&"cannot be run"),
    }
}

fn account_problem(error: &InClusterError) -> String {
    match error {
        InClusterError::ReadDefaultNamespace(error) => format!("{ACCOUNT_FOLDER}/namespace: {}", root_cause(error)),
        InClusterError::ReadCertificateBundle(error) => format!("{ACCOUNT_FOLDER}/ca.crt: {}", root_cause(error)),
        InClusterError::ParseCertificates(_) => format!("{ACCOUNT_FOLDER}/ca.crt holds no PEM certificates"),
        InClusterError::ReadEnvironmentVariable(_) => {
            "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not both set".into()
        }
        InClusterError::ParseClusterPort(_) => "KUBERNETES_SERVICE_PORT is no port".into(),
        InClusterError::ParseClusterUrl(_) => "KUBERNETES_SERVICE_HOST is no host".into(),
    }
}

fn named(contexts: &[String]) -> String {
    match contexts {
        [] => "it has no contexts".into(),
        _ => format!("it has {}", contexts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "s3cr3t";

    /// A kubeconfig with these parts of its cluster and its user.
    fn text(cluster: &str, user: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: a\n\
             contexts: [{{name: a, context: {{cluster: c, user: u}}}}]\n\
             clusters: [{{name: c, cluster: {{{cluster}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n"
        )
    }

    async fn failure(text: &str) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let made = match ReadKubeconfig::from_file(file.path()).await {
            Ok(kubeconfig) => kubeconfig.client(kubeconfig.config.clone()).map(drop),
            Err(error) => Err(error),
        };
        let error = made.expect_err(text).to_string();
        let begin = format!("failed to use the kubeconfig {}: ", file.path().display());
        error.strip_prefix(&begin).unwrap_or_else(|| panic!("{error}")).to_owned()
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named_once() {
        let error = Kubeconfig::read_from("/nope").unwrap_err();
        assert_eq!(read_problem(&error, "/nope"), "there is no such file or folder");
        assert_eq!(read_problem(&error, "/a, /nope"), "/nope: there is no such file or folder");
    }

    #[tokio::test]
    async fn what_is_wrong_with_a_kubeconfig_is_told_by_its_file_and_key_and_shows_no_secret() {
        let server = "server: 'https://a:6443'";
        let with = |more: &str| format!("{server}, {more}");
        let exec = |more: &str| format!("exec: {{apiVersion: client.authentication.k8s.io/v1, {more}}}");
        let print = |output: &str| exec(&format!("command: sh, args: ['-c', '{output}'], interactiveMode: Never"));
        for (kubeconfig, words) in [
            (String::new(), "it has no current-context; set one: kubectl config use-context NAME (it has no contexts)"),
            (text(server, "").replace("current-context: a", "current-context: b"), "it has no context `b` (it has a)"),
            (text(server, "").replace("cluster: c,", "cluster: d,"), "names the cluster `d`, which is not among"),
            (format!("users: [{{name: a, user: {{token: {SECRET}}}}}\n"), "line "),
            (format!("clusters: {SECRET}\n"), "it is no kubeconfig"),
            (text("", ""), "server of the cluster that its context names is missing"),
            (text("server: '{'", ""), "server of the cluster that its context names is no URL"),
            (text(&with("proxy-url: '{'"), ""), "proxy-url of the cluster"),
            (text(&with("certificate-authority-data: '%'"), ""), "certificate-authority-data is no base64"),
            (text(&with("certificate-authority-data: c2VjcmV0"), ""), "holds no PEM certificate"),
            (text(&with("certificate-authority: /nope"), ""), "certificate-authority /nope: there is no such file"),
            (
                text(server, "client-certificate-data: '%', client-key-data: '%'"),
                "client-certificate-data is no base64",
            ),
            (
                text(server, "client-certificate: /nope, client-key: /nope"),
                "client-certificate /nope: there is no such file",
            ),
            (text(server, "client-certificate-data: YQ==, client-key-data: YQ=="), "holds no PEM"),
            (text(server, "tokenFile: /nope"), "tokenFile /nope: there is no such file"),
            (text(server, "token: \"s3cr3t\\n\""), "token of its user has characters that no token has"),
            (
                text(server, &exec("command: /nope/login")),
                "the program `/nope/login` (exec of its user) cannot be started: there is no",
            ),
            (text(server, &print("echo s3cr3t; exit 3")), "(exec of its user) failed: exit status: 3"),
            (text(server, &print("echo s3cr3t")), "(exec of its user) printed no"),
            (text(server, &exec("args: [a]")), "exec.command of its user is missing"),
        ] {
            let said = failure(&kubeconfig).await;
            assert!(said.contains(words), "{kubeconfig}\n{said}");
            assert!(!said.contains(SECRET), "{said}");
            assert!(!said.contains("os error"), "{said}");
        }
    }
}
