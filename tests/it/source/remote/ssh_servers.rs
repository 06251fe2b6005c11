//! SSH servers that offer less than OpenSSH's does by default, or do not answer in time.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use driftwall::source::{Credentials, FetchError, FetchLimits};

use crate::source::remote::repository::file_content;
use crate::source::remote::ssh::{remote, sshd, sshd_mut, sync_with};
use crate::source::remote::transports::{LIMITS, sync};

#[test]
fn servers_of_every_kind_are_reached() {
    let Some((mut remote, first)) = remote() else { return };
    let ssh_key = sshd(&remote).another_key("rsa", "", true);
    for (key_exchange, cipher, mac) in [
        ("curve25519-sha256", "chacha20-poly1305@openssh.com", ""),
        ("curve25519-sha256@libssh.org", "aes128-gcm@openssh.com", ""),
        ("ecdh-sha2-nistp256", "aes256-gcm@openssh.com", ""),
        ("ecdh-sha2-nistp384", "aes128-ctr", "hmac-sha2-256-etm@openssh.com"),
        ("ecdh-sha2-nistp521", "aes192-ctr", "hmac-sha2-512-etm@openssh.com"),
        ("diffie-hellman-group14-sha256", "aes256-ctr", "hmac-sha2-256"),
        ("diffie-hellman-group16-sha512", "aes256-ctr", "hmac-sha2-512"),
        ("diffie-hellman-group-exchange-sha256", "aes256-ctr", "hmac-sha2-512"),
    ] {
        let mut options = format!("KexAlgorithms {key_exchange}\nCiphers {cipher}\n");
        if !mac.is_empty() {
            writeln!(options, "MACs {mac}").unwrap();
        }
        // As on Azure DevOps: RSA and SHA-2 for hosts and users.
        options.push_str("HostKeyAlgorithms rsa-sha2-256\nPubkeyAcceptedAlgorithms rsa-sha2-256\n");
        sshd_mut(&mut remote).restart_with(&options);
        let known_hosts = Some(sshd(&remote).file("rsa-only", &sshd(&remote).known("rsa")));
        let credentials = Credentials { ssh_key: Some(ssh_key.clone()), known_hosts, ..remote.credentials() };
        let synced = sync_with(&remote, credentials);
        let log = sshd(&remote).log();
        assert!(matches!(synced, Ok(commit) if commit == first), "{key_exchange} {cipher} {mac}: {synced:?} {log}");
    }
}

#[test]
fn what_a_server_offers_in_vain_is_told() {
    let Some((mut remote, _)) = remote() else { return };
    for (options, words) in [
        (
            "KexAlgorithms diffie-hellman-group14-sha1",
            "key exchange algorithms is supported: diffie-hellman-group14-sha1",
        ),
        ("Ciphers aes128-cbc", "cipher algorithms is supported: aes128-cbc"),
        ("Ciphers aes128-ctr\nMACs hmac-sha1", "MAC algorithms is supported: hmac-sha1"),
    ] {
        sshd_mut(&mut remote).restart_with(options);
        let error = sync(&remote.mirror("main")).unwrap_err();
        assert!(matches!(error, FetchError::Connect { .. }) && error.to_string().contains(words), "{error}");
    }
    // A user who may not log in, and one who may not run what is asked for.
    sshd_mut(&mut remote).restart_with("PubkeyAuthentication no\nPasswordAuthentication yes");
    let error = sync(&remote.mirror("main")).unwrap_err();
    assert!(matches!(error, FetchError::Credentials { .. }), "{error}");
    sshd_mut(&mut remote).restart_with("ForceCommand echo \"this account\" is disabled >&2");
    let error = sync(&remote.mirror("main")).unwrap_err();
    assert!(
        matches!(error, FetchError::Server { .. }) && error.to_string().contains("`this account is disabled`"),
        "{error}"
    );
    sshd_mut(&mut remote).restart_with("MaxSessions 0");
    let error = sync(&remote.mirror("main")).unwrap_err();
    assert!(error.to_string().contains("the server lets this user run nothing"), "{error}");
}

#[test]
fn a_program_that_is_silent_times_out_and_can_be_cancelled() {
    let Some((mut remote, first)) = remote() else { return };
    sshd_mut(&mut remote).restart_with("ForceCommand sleep 60");
    let hasty = remote.mirror("main").with_limits(FetchLimits { idle: Duration::from_secs(1), ..LIMITS });
    let error = sync(&hasty).unwrap_err();
    assert!(matches!(error, FetchError::TimedOut { seconds: 1, activity: "waiting for data" }), "{error}");

    let cancel = Arc::new(AtomicBool::new(false));
    let later = cancel.clone();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        later.store(true, Ordering::Relaxed);
    });
    assert!(matches!(remote.mirror("main").sync(&cancel), Err(FetchError::Cancelled)));
    thread.join().unwrap();
    sshd_mut(&mut remote).restart_with("");
    assert_eq!(sync(&remote.mirror("main")).unwrap(), first);
}

#[test]
fn a_large_repository_arrives_whole_or_not_at_all() {
    let Some((remote, _)) = remote() else { return };
    // More than the window of a channel, and than what waits in memory.
    let large = remote.repository.push_noise("main", 12 << 20);
    let small = remote.mirror("main").with_limits(FetchLimits { bytes: 4 << 20, ..LIMITS });
    let error = sync(&small).unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { .. }), "{error}");
    assert!(!small.folder().exists());
    let mirror = remote.mirror("main");
    assert_eq!(sync(&mirror).unwrap(), large);
    assert_eq!(file_content(mirror.folder(), large).len(), 12 << 20);
}
