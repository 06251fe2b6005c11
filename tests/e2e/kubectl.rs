//! `kubectl` as one of several users.

use std::path::Path;
use std::process::{Command, Output};

/// The result of a command.
#[derive(Debug)]
pub(crate) struct CommandResult {
    pub(crate) succeeded: bool,
    pub(crate) exit_code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl CommandResult {
    fn of(output: Output) -> Self {
        Self {
            succeeded: output.status.success(),
            exit_code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// What the command printed; it must have succeeded.
    pub(crate) fn expect_success(self) -> String {
        assert!(self.succeeded, "{self:?}");
        self.stdout.trim().to_owned()
    }

    /// The warnings of driftwall.
    pub(crate) fn warnings(&self) -> Vec<&str> {
        let lines = self.stderr.lines().filter_map(|line| line.strip_prefix("Warning: "));
        lines.filter(|line| line.contains("driftwall") || line.contains("Git")).collect()
    }

    /// driftwall's answer, or `failure`, as a person at the terminal sees it.
    pub(crate) fn answer(&self) -> &'static str {
        if self.stderr.contains("admission webhook \"writes.driftwall.io\" denied the request: ") && !self.succeeded {
            "deny"
        } else if !self.succeeded {
            "failure"
        } else if self.warnings().is_empty() {
            "allow"
        } else {
            "warn"
        }
    }
}

/// A shell in which `kubectl` is a user, and `argocd`, `flux` and `unreviewed` are kubectl with other identities:
/// Argo CD's, Flux's, and one of the control plane's, whose writes are never denied.
#[derive(Clone)]
pub(crate) struct Shell {
    pub(crate) path: String,
    pub(crate) folder: std::path::PathBuf,
}

const IDENTITIES: &str = r#"
as() {
    local namespace=$1 name=$2; shift 2
    kubectl --kubeconfig=admin.config --as=system:serviceaccount:$namespace:$name --as-group=system:serviceaccounts \
        --as-group=system:serviceaccounts:$namespace --as-group=system:authenticated "$@"
}
argocd() { as argocd argocd-application-controller "$@"; }
flux() { as flux-system kustomize-controller "$@"; }
unreviewed() { kubectl --kubeconfig=admin.config --as=system:kube-controller-manager --as-group=system:masters "$@"; }
# The API server validates; kubectl would read the whole API description of an older one for that, each time.
argocd_sync() {
    argocd apply --server-side --field-manager=argocd-controller --force-conflicts --validate=false -f git/apps/prod/
}
"#;

impl Shell {
    pub(crate) fn run(&self, user: &str, script: &str) -> CommandResult {
        let output = Command::new("bash")
            .args(["-c", &format!("{IDENTITIES}\n{script}")])
            .env("PATH", &self.path)
            .env("HOME", &self.folder)
            .env("KUBECONFIG", format!("{user}.config"))
            .env("DEPLOY", std::env::current_dir().unwrap().join("deploy"))
            .env("DRIFTWALL", env!("CARGO_BIN_EXE_driftwall"))
            .env_remove("KUBECTL_EXTERNAL_DIFF")
            .current_dir(&self.folder)
            .output()
            .unwrap();
        CommandResult::of(output)
    }
}

/// A script that creates a Deployment whose pods every Pod Security level admits.
pub(crate) fn create_deployment(name: &str, namespace: &str, replicas: u32) -> String {
    format!(
        "kubectl create -f - <<END
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      securityContext: {{runAsNonRoot: true, runAsUser: 65534, seccompProfile: {{type: RuntimeDefault}}}}
      containers:
        - name: {name}
          image: nginx
          securityContext: {{allowPrivilegeEscalation: false, capabilities: {{drop: [ALL]}}}}
END"
    )
}

/// How a user proves to the API server who they are.
pub(crate) enum Credential<'a> {
    /// With the certificate of their name.
    Certificate,
    /// With the token of a service account.
    Token(&'a str),
}

/// Writes the kubeconfig of a user.
pub(crate) fn write_kubeconfig(folder: &Path, user: &str, port: u16, namespace: &str, credential: &Credential) {
    let home = folder.display();
    let credential = match credential {
        Credential::Certificate => {
            format!("client-certificate: {home}/{user}.crt, client-key: {home}/{user}.key")
        }
        Credential::Token(token) => format!("token: {token}"),
    };
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         clusters: [{{name: test, cluster: \
             {{server: \"https://127.0.0.1:{port}\", certificate-authority: {home}/ca.crt}}}}]\n\
         users: [{{name: {user}, user: {{{credential}}}}}]\n\
         contexts: [{{name: test, context: {{cluster: test, user: {user}, namespace: {namespace}}}}}]\n"
    );
    std::fs::write(folder.join(format!("{user}.config")), text).unwrap();
}
