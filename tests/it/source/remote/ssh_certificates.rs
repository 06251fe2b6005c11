//! Hosts that are known by a CA instead of by their keys.

use driftwall::source::{Credentials, FetchError};
use tempfile::TempDir;

use crate::source::remote::ssh::{remote, sshd, sshd_mut, sync_with};
use crate::source::remote::sshd::keygen;
use crate::source::remote::transports::RemoteSetup;

/// A CA: its key's file, and the public key as `known_hosts` has it.
struct Authority {
    folder: TempDir,
    public: String,
}

impl Authority {
    fn new(kind: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        keygen(&["-t", kind, "-N", "", "-f"], &folder.path().join("ca"));
        let public = std::fs::read_to_string(folder.path().join("ca.pub")).unwrap();
        Self { folder, public }
    }

    /// Signs the server's key of a kind.
    fn sign(&self, remote: &mut RemoteSetup, kind: &'static str, arguments: &[&str]) {
        let ca = self.folder.path().join("ca");
        let all = [&["-s", ca.to_str().unwrap(), "-I", "id", "-h"], arguments].concat();
        sshd_mut(remote).restart_certified(kind, &all);
    }

    fn line(&self, marker: &str, hosts: &str) -> String {
        format!("{marker} {hosts} {}", self.public)
    }
}

fn sync_knowing(remote: &RemoteSetup, known_hosts: &str) -> Result<git2::Oid, FetchError> {
    let known_hosts = Some(sshd(remote).file("certified", known_hosts));
    sync_with(remote, Credentials { known_hosts, ..remote.credentials() })
}

#[test]
fn a_host_is_known_by_a_certificate_of_its_ca() {
    let Some((mut remote, first)) = remote() else { return };
    for (ca, kind) in [("ed25519", "ed25519"), ("rsa", "ecdsa"), ("ecdsa", "rsa")] {
        let authority = Authority::new(ca);
        let known = authority.line("@cert-authority", "127.0.0.*");
        for names in ["127.0.0.1", "git.example,127.*", ""] {
            let arguments: &[&str] = if names.is_empty() { &[] } else { &["-n", names] };
            authority.sign(&mut remote, kind, arguments);
            let synced = sync_knowing(&remote, &known);
            assert!(matches!(synced, Ok(commit) if commit == first), "{ca} {kind} {names}: {synced:?}");
        }
        // A certificate comes first, and the plain key does as well.
        let both = format!("{known}{}", sshd(&remote).known(kind));
        assert_eq!(sync_knowing(&remote, &both).unwrap(), first);
        let of_others = format!("{}{}", authority.line("@cert-authority", "git.example"), sshd(&remote).known(kind));
        assert_eq!(sync_knowing(&remote, &of_others).unwrap(), first);
    }
}

#[test]
fn a_certificate_that_does_not_count_is_refused_and_why_is_told() {
    let Some((mut remote, first)) = remote() else { return };
    let authority = Authority::new("rsa");
    let known = authority.line("@cert-authority", "*");
    for (arguments, words) in [
        (&["-n", "git.example"][..], "it is one for git.example; sign the host's key for 127.0.0.1 too"),
        (&["-V", "20200101:20200201"], "it has expired on 2020-02-01"),
        (&["-V", "21200101:21200201"], "it is valid from 2120-01-01"),
        (&["-t", "ssh-rsa"], "SHA-1"),
    ] {
        authority.sign(&mut remote, "ed25519", arguments);
        let error = sync_knowing(&remote, &known).unwrap_err();
        assert!(matches!(error, FetchError::HostCertificate { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }

    authority.sign(&mut remote, "ed25519", &[]);
    assert_eq!(sync_knowing(&remote, &known).unwrap(), first);
    let other = Authority::new("ed25519").line("@cert-authority", "*");
    let error = sync_knowing(&remote, &other).unwrap_err();
    assert!(matches!(error, FetchError::HostCertificate { .. }), "{error}");
    assert!(error.to_string().contains("no @cert-authority of this host"), "{error}");
    // The key in it may be known by itself.
    assert_eq!(sync_knowing(&remote, &format!("{other}{}", sshd(&remote).known("ed25519"))).unwrap(), first);
    // Without a CA that is known of this host no certificate is asked for.
    let error = sync_knowing(&remote, &authority.line("@cert-authority", "git.example")).unwrap_err();
    assert!(matches!(error, FetchError::HostKeyUnknown { .. }), "{error}");

    for revoked in [authority.line("@revoked", "*"), format!("@revoked {}", sshd(&remote).known("ed25519"))] {
        let error = sync_knowing(&remote, &format!("{known}{revoked}")).unwrap_err();
        assert!(matches!(error, FetchError::HostKeyRevoked { .. }), "{error}");
    }
}

#[test]
fn a_host_without_a_certificate_is_told_by_its_key() {
    let Some((remote, first)) = remote() else { return };
    let authority = Authority::new("ed25519").line("@cert-authority", "*");
    let error = sync_knowing(&remote, &authority).unwrap_err();
    assert!(matches!(error, FetchError::HostKeyUnknown { .. }), "{error}");
    assert_eq!(sync_knowing(&remote, &format!("{authority}{}", sshd(&remote).known("rsa"))).unwrap(), first);
}
