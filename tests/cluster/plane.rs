//! etcd, kube-apiserver and kube-controller-manager.

use std::net::TcpStream;
use std::path::Path;

use tempfile::TempDir;

use crate::keys::{self, Authority};
use crate::kubectl::{Shell, configure};
use crate::process::{Process, free_port, until};

pub(crate) struct Plane {
    pub(crate) folder: TempDir,
    pub(crate) shell: Shell,
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
        keys::tokens(folder.path());
        let [etcd, peer, server, manager] = [(); 4].map(|()| free_port());
        for user in ["admin", "alice", "manager"] {
            configure(folder.path(), user, server);
        }
        let path = format!("{}:{}", kubectl.display(), std::env::var("PATH").unwrap());
        let shell = Shell { path, folder: folder.path().to_owned() };
        let mut plane = Self { folder, shell, processes: Vec::new() };

        let client = format!("http://127.0.0.1:{etcd}");
        let peer = format!("http://127.0.0.1:{peer}");
        plane.run(
            &programs.join("etcd"),
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
        plane.run(
            &programs.join("kube-apiserver"),
            &[
                ("etcd-servers", &client),
                ("bind-address", "127.0.0.1"),
                ("advertise-address", "127.0.0.1"),
                ("secure-port", &server.to_string()),
                ("insecure-port", "0"),
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
            ],
        );
        plane.wait("the API server is ready", "kubectl get --raw /readyz");
        plane.run(
            &programs.join("kube-controller-manager"),
            &[
                ("kubeconfig", &at("manager.config")),
                ("use-service-account-credentials", "true"),
                ("service-account-private-key-file", &at("tokens.key")),
                ("root-ca-file", &at("ca.crt")),
                ("leader-elect", "false"),
                ("bind-address", "127.0.0.1"),
                ("cert-dir", &at("")),
                ("secure-port", &manager.to_string()),
                ("port", "0"),
                ("controllers", "*,-nodelifecycle"),
            ],
        );
        plane.wait("controllers work", "kubectl get serviceaccount default -n default");
        let machines = ["argocd", "flux-system", "ci"].map(|name| format!(" --group=system:serviceaccounts:{name}"));
        let everyone = format!("--group=developers{}", machines.concat());
        plane.admin(&format!("kubectl create clusterrolebinding everyone --clusterrole=cluster-admin {everyone}"));
        plane
    }

    fn run(&mut self, program: &Path, flags: &[(&str, &str)]) {
        let flags: Vec<_> = flags.iter().map(|(name, value)| format!("--{name}={value}")).collect();
        self.processes.push(Process::start(self.folder.path(), program, &flags));
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
