//! Host keys and the keys of users.

use std::process::Command;

use driftwall::source::{Credentials, FetchError};

use crate::source::remote::repository::TestRepository;
use crate::source::remote::sshd::Sshd;
use crate::source::remote::transports::{RemoteSetup, Transport, mirror, sync};

/// A repository behind `sshd`, or nothing where there is none.
pub(crate) fn remote() -> Option<(RemoteSetup, git2::Oid)> {
    let (repository, first) = TestRepository::new();
    Some((RemoteSetup::ssh(repository)?, first))
}

pub(crate) fn sshd(remote: &RemoteSetup) -> &Sshd {
    match &remote.server {
        Transport::Ssh(sshd) => sshd,
        _ => panic!("not an SSH server"),
    }
}

pub(crate) fn sshd_mut(remote: &mut RemoteSetup) -> &mut Sshd {
    match &mut remote.server {
        Transport::Ssh(sshd) => sshd,
        _ => panic!("not an SSH server"),
    }
}

pub(crate) fn sync_with(remote: &RemoteSetup, credentials: Credentials) -> Result<git2::Oid, FetchError> {
    sync(&mirror(remote.data.path(), &remote.url(), "main", credentials))
}

#[test]
fn the_host_key_must_be_a_known_one() {
    let Some((remote, first)) = remote() else { return };
    let sshd = sshd(&remote);
    let knowing = |name: &str, text: &str| {
        let known_hosts = Some(sshd.file(name, text));
        sync_with(&remote, Credentials { known_hosts, ..remote.credentials() })
    };
    // The server has three; whichever is known is asked for.
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let synced = knowing(kind, &sshd.known(kind));
        assert!(matches!(synced, Ok(commit) if commit == first), "{kind}: {synced:?} {}", sshd.log());
    }
    let all = format!("{}{}# and more\n{}", sshd.known("rsa"), sshd.known("ecdsa"), sshd.known("ed25519"));
    assert_eq!(knowing("all", &all).unwrap(), first);

    let hashed = sshd.file("hashed", &sshd.known("ecdsa"));
    assert!(Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(&hashed).status().unwrap().success());
    assert!(std::fs::read_to_string(&hashed).unwrap().starts_with("|1|"));
    let known_hosts = Some(hashed);
    assert_eq!(sync_with(&remote, Credentials { known_hosts, ..remote.credentials() }).unwrap(), first);

    let other = sshd.another_key("ed25519", "", false).with_extension("pub");
    let other = std::fs::read_to_string(other).unwrap();
    let error = knowing("changed", &format!("[127.0.0.1]:{} {other}", sshd.port)).unwrap_err();
    assert!(matches!(error, FetchError::HostKeyChanged { .. }), "{error}");
    assert!(error.to_string().contains(&sshd.fingerprint("ed25519")), "{error}");

    // The server has no key of the known kind any more: it presents another one, which is reported.
    let error = knowing("kind", &format!("[127.0.0.1]:{} ecdsa-sha2-nistp521 AAAA", sshd.port)).unwrap_err();
    assert!(matches!(error, FetchError::HostKeyChanged { .. }) && error.to_string().contains("SHA256:"), "{error}");

    // Of another host, or of this one's usual port.
    for text in ["git.example.org ssh-ed25519 AAAA", &sshd.known("ed25519").replace(&format!(":{}", sshd.port), ":22")]
    {
        let error = knowing("unknown", text).unwrap_err();
        assert!(matches!(error, FetchError::HostKeyUnknown { .. }), "{error}");
        assert!(error.to_string().contains("SHA256:"), "{error}");
    }
    let error = sync_with(&remote, Credentials { known_hosts: None, ..remote.credentials() });
    assert!(matches!(error, Err(FetchError::HostKeyUnknown { .. })), "{error:?}");
    let error = knowing("revoked", &format!("@revoked {}{}", sshd.known("ed25519"), sshd.known("ed25519")));
    assert!(matches!(error, Err(FetchError::HostKeyRevoked { .. })), "{error:?}");
}

#[test]
fn an_ssh_key_is_used_with_its_passphrase() {
    let Some((remote, first)) = remote() else { return };
    let sshd = sshd(&remote);
    let with = |key, passphrase: Option<&str>| {
        let ssh_passphrase = passphrase.map(|text| sshd.file("passphrase", text));
        sync_with(&remote, Credentials { ssh_key: Some(key), ssh_passphrase, ..remote.credentials() })
    };
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let key = sshd.another_key(kind, "pass phrase", true);
        assert_eq!(with(key.clone(), Some("pass phrase\n")).unwrap(), first, "{kind}");
        for passphrase in [Some("s3cret"), None] {
            let error = with(key.clone(), passphrase).unwrap_err();
            assert!(matches!(error, FetchError::SshKey { .. }), "{kind}: {error}");
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(&key.display().to_string()) && !shown.contains("s3cret"), "{shown}");
        }
    }
    let stranger = sshd.another_key("ed25519", "", false);
    let error = with(stranger.clone(), None).unwrap_err();
    assert!(matches!(error, FetchError::Credentials { .. }), "{error} {}", sshd.log());
    assert!(error.to_string().contains(&format!("sshKeyFile {}", stranger.display())), "{error}");
    let garbage = sshd.file("garbage", "-----BEGIN s3cret");
    let error = with(garbage, None).unwrap_err();
    assert!(matches!(error, FetchError::SshKey { .. }) && !error.to_string().contains("s3cret"), "{error}");
    let error = sync_with(&remote, Credentials { ssh_key: None, ..remote.credentials() });
    assert!(matches!(error, Err(FetchError::NoSshKey)), "{error:?}");
}

#[test]
fn keys_are_read_in_every_format_that_ssh_keygen_writes() {
    let Some((remote, first)) = remote() else { return };
    let sshd = sshd(&remote);
    // `ssh-keygen` writes an ed25519 key in its own format, whatever it is asked for.
    for kind in ["ecdsa", "rsa"] {
        for format in ["PEM", "PKCS8"] {
            for passphrase in ["", "pass phrase"] {
                let ssh_key = Some(sshd.key_in_format(format, kind, passphrase, true));
                // A passphrase that is not needed does no harm.
                for given in [passphrase, "pass phrase"] {
                    let ssh_passphrase = (!given.is_empty()).then(|| sshd.file("passphrase", given));
                    let credentials = Credentials { ssh_key: ssh_key.clone(), ssh_passphrase, ..remote.credentials() };
                    let synced = sync_with(&remote, credentials);
                    assert!(matches!(synced, Ok(commit) if commit == first), "{format} {kind} `{given}`: {synced:?}");
                }
                if passphrase.is_empty() {
                    continue;
                }
                for (given, words) in
                    [(None, "sshPassphraseFile is not set"), (Some("s3cret"), "is not that of this key")]
                {
                    let ssh_passphrase = given.map(|given| sshd.file("wrong", given));
                    let credentials = Credentials { ssh_key: ssh_key.clone(), ssh_passphrase, ..remote.credentials() };
                    let error = sync_with(&remote, credentials).unwrap_err();
                    assert!(matches!(error, FetchError::SshKey { .. }), "{format} {kind}: {error}");
                    assert!(error.to_string().contains(words), "{format} {kind}: {error}");
                }
            }
        }
    }
}

#[test]
fn a_missing_repository_is_reported_in_the_servers_words() {
    let Some((remote, first)) = remote() else { return };
    let gone = mirror(remote.data.path(), &format!("{}.gone", remote.url()), "main", remote.credentials());
    let error = sync(&gone).unwrap_err();
    assert!(matches!(error, FetchError::Server { .. }) && error.to_string().contains("gitops.git.gone"), "{error}");
    // A path with what a shell would read as its own.
    let odd = remote.repository.folder.path().join("it's $(here) & there.git");
    std::fs::rename(remote.repository.path(), &odd).unwrap();
    let url = sshd(&remote).url(&odd).replace(' ', "%20");
    assert_eq!(sync(&mirror(remote.data.path(), &url, "main", remote.credentials())).unwrap(), first);
}
