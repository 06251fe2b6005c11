//! Flags with values that cannot be used: the flag is named, and what would be right, in our words.

use std::process::{Command, Output};

fn driftwall(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_driftwall")).args(arguments).output().unwrap()
}

/// What a command says that cannot do what it is asked for.
fn refused(arguments: &[&str]) -> String {
    let run = driftwall(arguments);
    let said = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(2), "{arguments:?}: {said}");
    for jargon in ["os error", "invalid digit", "socket address syntax", " is not in ", "panicked"] {
        assert!(!said.contains(jargon), "{arguments:?}: {said}");
    }
    said
}

#[test]
fn each_flag_says_what_would_be_right() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let out = out.to_str().unwrap();
    let port = "such as 127.0.0.1:8080";
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = nobody.local_addr().unwrap().to_string();
    drop(nobody);
    for (arguments, words) in [
        (&["certs", "--out", out, "--dns", ""][..], "write one such as driftwall.driftwall.svc"),
        (&["certs", "--out", out, "--dns", "a b"], "`a b` is neither"),
        (&["certs", "--out", out, "--dns", "a", "--days", "0"], "write a whole number from 1 to 36500"),
        (&["certs", "--out", out, "--dns", "a", "--days", "100000"], "write a whole number from 1 to 36500"),
        (&["certs", "--out", out, "--dns", "a", "--days", "ten"], "write a whole number from 1 to 36500"),
        (&["certs", "--out", "/dev/null/x", "--dns", "a"], "/dev/null/x: a part of its path is a file"),
        (&["suggest", "--admin", "here"], port),
        (&["sources", "--admin", "127.0.0.1"], port),
        (&["sources", "--admin", "nosuch.invalid:80"], "no address is known for that name"),
        (&["suggest", "--admin", &closed], "nothing listens there"),
        (&["sources", "--admin", &closed], "nothing listens there"),
        (&["suggest", "--at-least", "0"], "write a whole number, 1 or more"),
        (&["serve", "--config", "a", "--record", "b", "--record-limit", "0"], "write a whole number from 1 to 1048576"),
        (
            &["serve", "--config", "a", "--record", "/dev/full"],
            "failed to record reviews to /dev/full: no space is left",
        ),
        (&["renderer", "--listen", "x"], "such as 0.0.0.0:8080"),
        (&["renderer", "--memory", "1"], "write a whole number from 128 to"),
        (&["config", "check", "/nope"], "there is no such file"),
        (&["check", "--config", "/", "x"], "it is a folder"),
        (&["check", "--config", "/nope", "x"], "there is no such file"),
    ] {
        let said = refused(arguments);
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
    assert!(!folder.path().join("out").exists());
}

#[test]
fn half_a_set_of_certificates_is_never_written_and_help_needs_a_place() {
    let folder = tempfile::tempdir().unwrap();
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    let run = |arguments: &[&str]| {
        let run = Command::new(env!("CARGO_BIN_EXE_driftwall")).args(arguments).stdout(full()).output().unwrap();
        assert_eq!(run.status.code(), Some(2), "{arguments:?}");
        assert!(String::from_utf8_lossy(&run.stderr).contains("no space is left"), "{arguments:?}");
    };
    run(&["--help"]);
    run(&["--version"]);
    run(&["certs", "--out", folder.path().to_str().unwrap(), "--dns", "a"]);
    for file in ["ca.crt", "tls.crt", "tls.key"] {
        assert!(folder.path().join(file).exists(), "{file}");
    }
}
