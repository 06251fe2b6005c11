//! OpenSSH's server, with keys of its own.

use std::fmt::Write as _;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const PROGRAM: &str = "/usr/sbin/sshd";
/// The kinds of host keys that the server has.
const KINDS: [&str; 3] = ["ed25519", "ecdsa", "rsa"];

pub(crate) struct Sshd {
    folder: TempDir,
    child: Option<Child>,
    pub(crate) port: u16,
    /// Lines of its configuration beside the usual ones.
    options: String,
    /// The kinds of keys that it has certificates for.
    certified: Vec<&'static str>,
}

impl Sshd {
    /// Starts a server; `None` where there is none to start and nobody insists.
    pub(crate) fn start() -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            let missing = format!("{PROGRAM} is missing (on Debian: apt-get install openssh-server)");
            assert!(std::env::var_os("CI").is_none(), "{missing}");
            eprintln!("skipped: {missing}");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        for kind in KINDS {
            keygen(&["-t", kind, "-N", "", "-f"], &folder.path().join(kind));
        }
        keygen(&["-t", "ed25519", "-N", "", "-f"], &folder.path().join("user"));
        fs::copy(folder.path().join("user.pub"), folder.path().join("authorized")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut sshd = Self { folder, child: None, port, options: String::new(), certified: Vec::new() };
        sshd.resume();
        Some(sshd)
    }

    /// Serves, again on the same port.
    pub(crate) fn resume(&mut self) {
        let folder = self.folder.path().display();
        let path = std::env::var("PATH").unwrap();
        let mut config = format!(
            "Port {}\nListenAddress 127.0.0.1\nPidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nPermitRootLogin yes\nAuthorizedKeysFile {folder}/authorized\n\
             MaxStartups 100\nSetEnv PATH={path}\n{}\n",
            self.port, self.options
        );
        let keys = KINDS.map(|kind| format!("HostKey {folder}/{kind}\n"));
        config.extend(keys);
        for kind in &self.certified {
            writeln!(config, "HostCertificate {folder}/{kind}-cert.pub").unwrap();
        }
        let file = self.folder.path().join("config");
        fs::write(&file, config).unwrap();
        // As root it wants an empty folder to shut itself into; others need none.
        let _ = fs::create_dir_all("/run/sshd");
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let child = Command::new(PROGRAM).args(["-D", "-e", "-f"]).arg(&file).stdin(Stdio::null()).stderr(log).spawn();
        self.child = Some(child.unwrap());
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(30), "sshd does not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Serves again, with these lines in its configuration.
    pub(crate) fn restart_with(&mut self, options: &str) {
        options.clone_into(&mut self.options);
        self.stop();
        self.resume();
    }

    /// Serves again, with a certificate for its key of a kind, which `ssh-keygen` signs with these arguments.
    pub(crate) fn restart_certified(&mut self, kind: &'static str, arguments: &[&str]) {
        let key = self.folder.path().join(format!("{kind}.pub"));
        let _ = fs::remove_file(self.folder.path().join(format!("{kind}-cert.pub")));
        keygen(arguments, &key);
        self.certified = vec![kind];
        self.stop();
        self.resume();
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    pub(crate) fn url(&self, repository: &Path) -> String {
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        let user = String::from_utf8(user).unwrap();
        format!("ssh://{}@127.0.0.1:{}{}", user.trim(), self.port, repository.display())
    }

    /// A key that may log in.
    pub(crate) fn key(&self) -> PathBuf {
        self.folder.path().join("user")
    }

    /// Another key, with a passphrase or none, which may log in only if it `is_welcome`.
    pub(crate) fn another_key(&self, kind: &str, passphrase: &str, is_welcome: bool) -> PathBuf {
        self.key_in_format("RFC4716", kind, passphrase, is_welcome)
    }

    /// The same in a format of `ssh-keygen -m`: `RFC4716` (OpenSSH's own), `PEM` or `PKCS8`.
    pub(crate) fn key_in_format(&self, format: &str, kind: &str, passphrase: &str, is_welcome: bool) -> PathBuf {
        let file = self.folder.path().join(format!("{format}-{kind}-{is_welcome}-{}", passphrase.len()));
        keygen(&["-t", kind, "-m", format, "-N", passphrase, "-f"], &file);
        if is_welcome {
            let mut all = fs::read_to_string(self.folder.path().join("authorized")).unwrap();
            all.push_str(&fs::read_to_string(file.with_extension("pub")).unwrap());
            fs::write(self.folder.path().join("authorized"), all).unwrap();
        }
        file
    }

    /// The line of `known_hosts` for the host key of a kind.
    pub(crate) fn known(&self, kind: &str) -> String {
        let public = fs::read_to_string(self.folder.path().join(format!("{kind}.pub"))).unwrap();
        format!("[127.0.0.1]:{} {public}", self.port)
    }

    /// A file beside the keys.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.path().join(format!("file-{name}"));
        fs::write(&file, text).unwrap();
        file
    }

    /// What `ssh-keygen -l` says of the host key of a kind.
    pub(crate) fn fingerprint(&self, kind: &str) -> String {
        let file = self.folder.path().join(format!("{kind}.pub"));
        let said = Command::new("ssh-keygen").arg("-lf").arg(file).output().unwrap().stdout;
        String::from_utf8(said).unwrap().split_whitespace().nth(1).unwrap().to_owned()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(crate) fn keygen(arguments: &[&str], file: &Path) {
    let status = Command::new("ssh-keygen").arg("-q").args(arguments).arg(file).status().unwrap();
    assert!(status.success(), "ssh-keygen {arguments:?}");
}
