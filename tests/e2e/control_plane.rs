//! etcd, kube-apiserver and kube-controller-manager.

use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::kubectl::{Proof, Shell, configure};
use crate::pki::{self, Authority};
use crate::process::{Process, free_port, until};

pub(crate) struct Plane {
    pub(crate) folder: TempDir,
    pub(crate) shell: Shell,
    /// Where the API server listens.
    pub(crate) port: u16,
    processes: Vec<Process>,
}

impl Plane {
    /// Starts them; `kubectl` is where its folder says.
    pub(crate) fn start(programs: &Path, kubectl: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_owned();
        let at = |name: &str| home.join(name).display().to_string();
        let authority = Authority::new(folder.path());
        authority.issue(folder.path(), "server", "kube-apiserver", None);
        authority.issue(folder.path(), "admin", "admin", Some("system:masters"));
        authority.issue(folder.path(), "alice", "alice", Some("developers"));
        authority.issue(folder.path(), "manager", "system:kube-controller-manager", None);
        // As which the API server calls the APIs that others serve.
        authority.issue(folder.path(), "proxy", "front-proxy", None);
        pki::tokens(folder.path());
        let [etcd, peer, server, manager] = [(); 4].map(|()| free_port());
        for user in ["admin", "alice", "manager"] {
            configure(folder.path(), user, server, "default", &Proof::Certificate);
        }
        let path = format!("{}:{}", kubectl.display(), std::env::var("PATH").unwrap());
        let shell = Shell { path, folder: folder.path().to_owned() };
        let mut plane = Self { folder, shell, port: server, processes: Vec::new() };

        let client = format!("http://127.0.0.1:{etcd}");
        let peer = format!("http://127.0.0.1:{peer}");
        plane.run(
            &programs.join("etcd"),
            &[],
            &[
                ("data-dir", &at("etcd")),
                ("listen-client-urls", &client),
                ("advertise-client-urls", &client),
                ("listen-peer-urls", &peer),
                ("initial-advertise-peer-urls", &peer),
                ("initial-cluster", &format!("default={peer}")),
            ],
        );
        until("etcd is there", || TcpStream::connect(("127.0.0.1", etcd)).ok());
        let insecure = if is_old(programs) { vec![("insecure-port", "0")] } else { Vec::new() };
        plane.run(
            &programs.join("kube-apiserver"),
            &insecure,
            &[
                ("etcd-servers", &client),
                ("bind-address", "127.0.0.1"),
                ("advertise-address", "127.0.0.1"),
                ("secure-port", &server.to_string()),
                ("endpoint-reconciler-type", "none"),
                ("cert-dir", &at("")),
                ("authorization-mode", "RBAC"),
                ("client-ca-file", &at("ca.crt")),
                ("tls-cert-file", &at("server.crt")),
                ("tls-private-key-file", &at("server.key")),
                ("service-account-issuer", "https://kubernetes.default.svc"),
                ("service-account-signing-key-file", &at("tokens.key")),
                ("service-account-key-file", &at("tokens.pub")),
                ("service-cluster-ip-range", "10.0.0.0/16"),
                ("requestheader-client-ca-file", &at("ca.crt")),
                ("requestheader-allowed-names", "front-proxy"),
                ("requestheader-username-headers", "X-Remote-User"),
                ("requestheader-group-headers", "X-Remote-Group"),
                ("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
                ("proxy-client-cert-file", &at("proxy.crt")),
                ("proxy-client-key-file", &at("proxy.key")),
            ],
        );
        plane.wait("the API server is ready", "kubectl get --raw /readyz");
        let insecure = if is_old(programs) { vec![("port", "0")] } else { Vec::new() };
        plane.run(
            &programs.join("kube-controller-manager"),
            &insecure,
            &[
                ("kubeconfig", &at("manager.config")),
                ("use-service-account-credentials", "true"),
                ("service-account-private-key-file", &at("tokens.key")),
                ("root-ca-file", &at("ca.crt")),
                ("leader-elect", "false"),
                ("bind-address", "127.0.0.1"),
                ("cert-dir", &at("")),
                ("secure-port", &manager.to_string()),
                ("controllers", "*,-nodelifecycle"),
                // An autoscaler in a hurry.
                ("horizontal-pod-autoscaler-sync-period", "2s"),
                ("horizontal-pod-autoscaler-downscale-stabilization", "5s"),
                ("horizontal-pod-autoscaler-initial-readiness-delay", "1s"),
                ("horizontal-pod-autoscaler-cpu-initialization-period", "1s"),
            ],
        );
        plane.wait("controllers work", "kubectl get serviceaccount default -n default");
        let machines = ["argocd", "flux-system", "ci"].map(|name| format!(" --group=system:serviceaccounts:{name}"));
        let everyone = format!("--group=developers{}", machines.concat());
        plane.admin(&format!("kubectl create clusterrolebinding everyone --clusterrole=cluster-admin {everyone}"));
        plane
    }

    fn run(&mut self, program: &Path, first: &[(&str, &str)], flags: &[(&str, &str)]) {
        let flags = first.iter().chain(flags);
        let flags: Vec<_> = flags.map(|(name, value)| format!("--{name}={value}")).collect();
        let name = program.file_name().unwrap().to_str().unwrap();
        let folder = self.folder.path();
        self.processes.push(Process::start(name, folder, &folder.join("admin.config"), program, &flags));
    }

    /// Waits until a command of the administrator succeeds.
    pub(crate) fn wait(&mut self, what: &str, script: &str) {
        until(what, || {
            self.processes.iter_mut().for_each(Process::must_run);
            self.shell.run("admin", script).succeeded.then_some(())
        });
    }

    pub(crate) fn admin(&self, script: &str) -> String {
        self.shell.run("admin", script).must()
    }
}

/// Whether the programs still open ports without TLS that they must be told not to: 1.24 took the flags away.
fn is_old(programs: &Path) -> bool {
    let said = Command::new(programs.join("kube-apiserver")).arg("--version").output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let minor = said.trim().strip_prefix("Kubernetes v1.").and_then(|version| version.split('.').next());
    minor.and_then(|minor| minor.parse::<u32>().ok()).is_some_and(|minor| minor < 24)
}
