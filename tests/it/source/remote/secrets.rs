//! Secrets are seen nowhere: not in errors, not in debug output, not in the log at its finest level, not on the disk.

use std::fmt::Write as _;
use std::io::Write;
use std::sync::{Arc, Mutex};

use driftwall::source::Credentials;

use crate::source::remote::repository::TestRepository;
use crate::source::remote::transports::{RemoteSetup, RevisionMirror, Transport, mirror, objects};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Everything that syncs of these mirrors print or write.
fn seen(mirrors: &[RevisionMirror]) -> String {
    let log = Log::default();
    let writer = log.clone();
    // Some libraries log through `log`. It fails where a test before this one has done it.
    let _ = tracing_log::LogTracer::init();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    let mut seen = String::new();
    tracing::subscriber::with_default(subscriber, || {
        for mirror in mirrors {
            let synced = mirror.sync(&Arc::default());
            let shown = synced.as_ref().map_or_else(ToString::to_string, ToString::to_string);
            writeln!(seen, "{mirror:?} {synced:?} {shown}").unwrap();
            if mirror.folder().exists() {
                for name in ["config", "HEAD", "FETCH_HEAD"] {
                    seen.push_str(&std::fs::read_to_string(mirror.folder().join(name)).unwrap_or_default());
                }
                write!(seen, "{:?}", objects(mirror)).unwrap();
            }
        }
    });
    seen + &String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
}

#[test]
fn credentials_of_web_servers_are_seen_nowhere() {
    let (repository, first) = TestRepository::new();
    let mut remote = RemoteSetup::web(repository);
    *remote.server().state.login.lock().unwrap() = Some("x-access-token:s3cret-right".to_owned());
    let file = |name: &str, text: &str| {
        let file = remote.data.path().join(name);
        std::fs::write(&file, text).unwrap();
        Some(file)
    };
    let right = Credentials { token: file("right", "s3cret-right"), ..remote.credentials() };
    let wrong = Credentials { token: file("wrong", "s3cret-wrong"), ..remote.credentials() };
    let in_address = remote.url().replace("https://", "https://me:s3cret-address@");
    let token_alone = remote.url().replace("https://", "https://s3cret-alone@");
    let data = remote.data.path().to_owned();
    let mirrors = [
        mirror(&data, &remote.url(), "main", right),
        mirror(&data, &remote.url(), "main", wrong),
        mirror(&data, &in_address, "main", remote.credentials()),
        mirror(&data, &token_alone, "main", remote.credentials()),
        mirror(&data, &in_address, "main", Credentials::default()),
    ];
    let good = seen(&mirrors);
    remote.stop();
    let away = seen(&mirrors);
    assert!(good.contains(&first.to_string()) && good.contains("refused the credentials"), "{good}");
    for all in [good, away] {
        assert!(!all.contains("s3cret"), "{all}");
        // `me:s3cret` and `x-access-token:s3cret` as they go over the wire.
        assert!(!all.contains("bWU6czNjcmV0") && !all.contains("eC1hY2Nlc3MtdG9rZW46czNj"), "{all}");
    }
}

#[test]
fn keys_and_passphrases_of_ssh_servers_are_seen_nowhere() {
    let (repository, first) = TestRepository::new();
    let Some(remote) = RemoteSetup::ssh(repository) else { return };
    let Transport::Ssh(sshd) = &remote.server else { panic!("an SSH server") };
    let ssh_key = sshd.another_key("ed25519", "s3cret phrase", true);
    let with = |name: &str, passphrase: &str| {
        let ssh_passphrase = Some(sshd.file(name, passphrase));
        let credentials = Credentials { ssh_key: Some(ssh_key.clone()), ssh_passphrase, ..remote.credentials() };
        mirror(remote.data.path(), &remote.url(), "main", credentials)
    };
    let all = seen(&[with("right", "s3cret phrase"), with("wrong", "s3cret other")]);
    assert!(all.contains(&first.to_string()) && all.contains("sshKeyFile"), "{all}");
    assert!(all.contains("russh"), "the log of the SSH library is not seen: {all}");
    let key = std::fs::read_to_string(ssh_key).unwrap();
    assert!(key.lines().skip(1).take(3).all(|line| !all.contains(line)) && !all.contains("s3cret"), "{all}");
}
