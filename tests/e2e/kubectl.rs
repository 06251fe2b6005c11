//! `kubectl` as somebody.

use std::path::Path;
use std::process::{Command, Output};

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) succeeded: bool,
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Outcome {
    fn of(output: Output) -> Self {
        Self {
            succeeded: output.status.success(),
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// What was printed by a command that must succeed.
    pub(crate) fn must(self) -> String {
        assert!(self.succeeded, "{self:?}");
        self.out.trim().to_owned()
    }

    /// What driftwall warned of.
    pub(crate) fn warnings(&self) -> Vec<&str> {
        let lines = self.err.lines().filter_map(|line| line.strip_prefix("Warning: "));
        lines.filter(|line| line.contains("driftwall") || line.contains("Git")).collect()
    }

    /// The answer, as a person at the terminal takes it.
    pub(crate) fn answer(&self) -> &'static str {
        if self.err.contains("admission webhook \"writes.driftwall.io\" denied the request: ") && !self.succeeded {
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

/// A shell in which `kubectl` is `user`, and `argocd`, `flux` and `behind` are
/// it by other names: Argo CD's, Flux's, and a component's that is never asked
/// about, which may do anything.
#[derive(Clone)]
pub(crate) struct Shell {
    pub(crate) path: String,
    pub(crate) folder: std::path::PathBuf,
}

const OTHERS: &str = r#"
as() {
    local namespace=$1 name=$2; shift 2
    kubectl --kubeconfig=admin.config --as=system:serviceaccount:$namespace:$name --as-group=system:serviceaccounts \
        --as-group=system:serviceaccounts:$namespace --as-group=system:authenticated "$@"
}
argocd() { as argocd argocd-application-controller "$@"; }
flux() { as flux-system kustomize-controller "$@"; }
behind() { kubectl --kubeconfig=admin.config --as=system:kube-controller-manager --as-group=system:masters "$@"; }
sync() { argocd apply --server-side --field-manager=argocd-controller --force-conflicts -f git/apps/prod/; }
"#;

impl Shell {
    pub(crate) fn run(&self, user: &str, script: &str) -> Outcome {
        let output = Command::new("bash")
            .args(["-c", &format!("{OTHERS}\n{script}")])
            .env("PATH", &self.path)
            .env("HOME", &self.folder)
            .env("KUBECONFIG", format!("{user}.config"))
            .env("DEPLOY", std::env::current_dir().unwrap().join("deploy"))
            .env("DRIFTWALL", env!("CARGO_BIN_EXE_driftwall"))
            .env_remove("KUBECTL_EXTERNAL_DIFF")
            .current_dir(&self.folder)
            .output()
            .unwrap();
        Outcome::of(output)
    }
}

/// Who somebody is to the server.
pub(crate) enum Proof<'a> {
    /// The certificate of their name.
    Certificate,
    /// A service account's token.
    Token(&'a str),
}

/// The file with which `kubectl` reaches the server as a user.
pub(crate) fn configure(folder: &Path, user: &str, port: u16, namespace: &str, proof: &Proof) {
    let folder_name = folder.display();
    let proof = match proof {
        Proof::Certificate => {
            format!("client-certificate: {folder_name}/{user}.crt, client-key: {folder_name}/{user}.key")
        }
        Proof::Token(token) => format!("token: {token}"),
    };
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         clusters: [{{name: test, cluster: {{server: \"https://127.0.0.1:{port}\", certificate-authority: {folder_name}/ca.crt}}}}]\n\
         users: [{{name: {user}, user: {{{proof}}}}}]\n\
         contexts: [{{name: test, context: {{cluster: test, user: {user}, namespace: {namespace}}}}}]\n"
    );
    std::fs::write(folder.join(format!("{user}.config")), text).unwrap();
}
