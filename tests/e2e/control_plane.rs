//! etcd, kube-apiserver and kube-controller-manager, of whichever version they are.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::kubectl::{Credential, Shell, write_kubeconfig};
use crate::pki::{self, CertificateAuthority};
use crate::process::{Process, free_port, wait_for};
use crate::rights;

pub(crate) struct ControlPlane {
    pub(crate) folder: TempDir,
    pub(crate) shell: Shell,
    /// Where the API server listens.
    pub(crate) port: u16,
    processes: Vec<Process>,
}

/// A command-line flag and its value.
type Flag<'a> = (&'a str, &'a str);

impl ControlPlane {
    /// Starts the programs in a folder; `kubectl` is the folder of that program.
    pub(crate) fn start(programs: &Path, kubectl: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [etcd, peer, api_server, controller_manager] = [(); 4].map(|()| free_port());
        write_credentials(folder.path(), api_server);
        let path = format!("{}:{}", kubectl.display(), std::env::var("PATH").unwrap());
        let shell = Shell { path, folder: folder.path().to_owned() };
        let mut control_plane = Self { folder, shell, port: api_server, processes: Vec::new() };
        control_plane.start_etcd(programs, etcd, peer);
        control_plane.start_api_server(programs, etcd);
        control_plane.start_controller_manager(programs, controller_manager);
        let accounts = ["argocd", "flux-system", "ci"].map(|name| format!(" --group=system:serviceaccounts:{name}"));
        let everyone = format!("--group=developers{}", accounts.concat());
        control_plane
            .admin(&format!("kubectl create clusterrolebinding everyone --clusterrole=cluster-admin {everyone}"));
        control_plane
    }

    fn start_etcd(&mut self, programs: &Path, port: u16, peer: u16) {
        let client = format!("http://127.0.0.1:{port}");
        let peer = format!("http://127.0.0.1:{peer}");
        let flags = [
            ("data-dir", &*self.file("etcd")),
            ("listen-client-urls", &client),
            ("advertise-client-urls", &client),
            ("listen-peer-urls", &peer),
            ("initial-advertise-peer-urls", &peer),
            ("initial-cluster", &format!("default={peer}")),
        ];
        self.run(&programs.join("etcd"), &flags, &[]);
        wait_for("etcd listens", || TcpStream::connect(("127.0.0.1", port)).ok());
    }

    fn start_api_server(&mut self, programs: &Path, etcd: u16) {
        let flags = [
            ("etcd-servers", &*format!("http://127.0.0.1:{etcd}")),
            ("bind-address", "127.0.0.1"),
            ("advertise-address", "127.0.0.1"),
            ("secure-port", &self.port.to_string()),
            ("endpoint-reconciler-type", "none"),
            ("cert-dir", &self.file("")),
            ("authorization-mode", "RBAC"),
            ("client-ca-file", &self.file("ca.crt")),
            ("tls-cert-file", &self.file("server.crt")),
            ("tls-private-key-file", &self.file("server.key")),
            ("service-account-issuer", "https://kubernetes.default.svc"),
            ("service-account-signing-key-file", &self.file("tokens.key")),
            ("service-account-key-file", &self.file("tokens.pub")),
            ("service-cluster-ip-range", "10.0.0.0/16"),
            ("requestheader-client-ca-file", &self.file("ca.crt")),
            ("requestheader-allowed-names", "front-proxy"),
            ("requestheader-username-headers", "X-Remote-User"),
            ("requestheader-group-headers", "X-Remote-Group"),
            ("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
            ("proxy-client-cert-file", &self.file("proxy.crt")),
            ("proxy-client-key-file", &self.file("proxy.key")),
        ];
        let audit = rights::audit_flags(self.folder.path());
        let flags: Vec<_> =
            flags.into_iter().chain(audit.iter().map(|(name, value)| (*name, value.as_str()))).collect();
        // Until 1.23 it has a port without TLS.
        self.run(&programs.join("kube-apiserver"), &flags, &[("insecure-port", "0")]);
        self.wait("the API server is ready", "kubectl get --raw /readyz");
    }

    fn start_controller_manager(&mut self, programs: &Path, port: u16) {
        let flags = [
            ("kubeconfig", &*self.file("manager.config")),
            ("use-service-account-credentials", "true"),
            ("service-account-private-key-file", &self.file("tokens.key")),
            ("root-ca-file", &self.file("ca.crt")),
            ("leader-elect", "false"),
            ("bind-address", "127.0.0.1"),
            ("cert-dir", &self.file("")),
            ("secure-port", &port.to_string()),
            ("controllers", "*,-nodelifecycle"),
        ];
        let optional = [
            // Until 1.23 it has a port without TLS.
            ("port", "0"),
            // An autoscaler that tests need not wait for.
            ("horizontal-pod-autoscaler-sync-period", "2s"),
            ("horizontal-pod-autoscaler-downscale-stabilization", "5s"),
            ("horizontal-pod-autoscaler-initial-readiness-delay", "1s"),
            ("horizontal-pod-autoscaler-cpu-initialization-period", "1s"),
        ];
        self.run(&programs.join("kube-controller-manager"), &flags, &optional);
        self.wait("controllers work", "kubectl get serviceaccount default -n default");
    }

    /// Runs a program with these flags, and with those of the optional ones that it knows.
    fn run(&mut self, program: &Path, flags: &[Flag<'_>], optional: &[Flag<'_>]) {
        let known = optional.iter().filter(|flag| knows_flag(program, flag));
        let flags: Vec<_> = flags.iter().chain(known).map(format_flag).collect();
        let name = program.file_name().unwrap().to_str().unwrap();
        let folder = self.folder.path();
        self.processes.push(Process::start(name, folder, &folder.join("admin.config"), program, &flags));
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Waits until a command of the administrator succeeds.
    pub(crate) fn wait(&mut self, what: &str, script: &str) {
        wait_for(what, || {
            self.processes.iter_mut().for_each(Process::assert_running);
            self.shell.run("admin", script).succeeded.then_some(())
        });
    }

    /// What a script of the administrator prints; it must succeed.
    pub(crate) fn admin(&self, script: &str) -> String {
        self.shell.run("admin", script).expect_success()
    }
}

/// The certificates and keys of the control plane, and the kubeconfig of each of its users.
fn write_credentials(folder: &Path, api_server: u16) {
    let ca = CertificateAuthority::new(folder);
    ca.issue(folder, "server", "kube-apiserver", None);
    ca.issue(folder, "admin", "admin", Some("system:masters"));
    ca.issue(folder, "alice", "alice", Some("developers"));
    ca.issue(folder, "manager", "system:kube-controller-manager", None);
    // The identity with which the API server calls aggregated APIs.
    ca.issue(folder, "proxy", "front-proxy", None);
    pki::write_token_keys(folder);
    for user in ["admin", "alice", "manager"] {
        write_kubeconfig(folder, user, api_server, "default", &Credential::Certificate);
    }
}

fn format_flag((name, value): &Flag<'_>) -> String {
    format!("--{name}={value}")
}

/// Asks a program for its help with a flag: one that it does not know is an error.
fn knows_flag(program: &Path, flag: &Flag<'_>) -> bool {
    let mut help = Command::new(program);
    help.arg(format_flag(flag)).arg("--help").stdout(Stdio::null()).stderr(Stdio::null());
    help.status().unwrap().success()
}
