//! Any text as the address of a repository or of something on a web server: it is read or
//! refused, and what may be a secret in it is not shown.

use std::path::Path;

use driftwall::source::{Address, HttpUrl};
use proptest::prelude::*;

use super::mutated;

/// What no message may hold.
const SECRET: &str = "s3cret";

/// A part of an address that may be anything, among it what divides an address.
fn part() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "a",
        "host",
        "git.example",
        "8443",
        ":",
        "/",
        "//",
        "?",
        "#",
        "%40",
        "%zz",
        "%0a",
        "..",
        "-",
        "~",
        "[::1]",
        "é",
        " ",
    ]);
    prop::collection::vec(word, 0..4).prop_map(|words| words.concat())
}

/// A login whose password has a secret at its beginning and at its end.
fn login() -> impl Strategy<Value = String> {
    // A slash ends the part of an address that a login is in.
    let user = part().prop_map(|user| user.replace('/', ""));
    (user, part()).prop_map(|(user, middle)| format!("{user}:{SECRET}{middle}{SECRET}@"))
}

fn scheme() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "https://",
        "http://",
        "HTTPS://",
        "ssh://",
        "git://",
        "git+ssh://",
        "oci://",
        "file://",
        "ftp://",
        "://",
        "//",
        "",
        "https:/",
        "https:",
        "http:/",
        "ssh:",
        "https//",
    ])
}

proptest! {
    #[test]
    fn the_login_of_an_address_is_never_shown(scheme in scheme(), login in login(), rest in part()) {
        // What begins as a path is one.
        prop_assume!(!scheme.is_empty() || !login.starts_with('.'));
        let text = format!("{scheme}{login}host/a{rest}");
        shows_no_secret(&text);
    }

    #[test]
    fn the_query_of_an_address_is_never_shown(
        scheme in prop::sample::select(vec!["https://", "http://"]),
        path in "[a-z]{1,5}",
        rest in part(),
    ) {
        for divider in ['?', '#'] {
            shows_no_secret(&format!("{scheme}host/{path}{divider}token={SECRET}{rest}"));
        }
    }

    #[test]
    fn what_an_address_is_shown_as_is_the_same_repository(text in mutated(addresses(), &["@", ":", "/", "%2e", "..", "[", "]", "?"])) {
        let text = String::from_utf8_lossy(&text);
        let Ok(Address::Remote(url)) = Address::parse(&text, Path::new("/etc")) else { return Ok(()) };
        let shown = url.to_string();
        prop_assert!(!shown.contains(char::is_control), "{shown:?}");
        if let Ok(Address::Remote(again)) = Address::parse(&shown, Path::new("/etc")) {
            prop_assert_eq!((again.scheme(), again.host(), again.port()), (url.scheme(), url.host(), url.port()));
        }
    }

    #[test]
    fn what_an_answer_refers_to_shows_no_secret(text in mutated(addresses(), &["@", ":", "//", "?", "#", "..", "\\"])) {
        let text = String::from_utf8_lossy(&text);
        let base = HttpUrl::parse(&format!("https://u:{SECRET}@host/charts/index.yaml?token={SECRET}")).unwrap();
        if let Ok(joined) = base.join(&text) {
            prop_assert!(!format!("{joined} {joined:?}").contains(SECRET), "{joined}");
            let url = joined.path();
            prop_assert!(url.starts_with('/') && !url.split('/').any(|part| part == ".."), "{url}");
        }
    }
}

fn addresses() -> Vec<Vec<u8>> {
    let texts = [
        "https://git.example:8443/a/b.git",
        "git@host:acme/a",
        "ssh://git@[::1]:22/~/a",
        "../x-1.0.tgz",
        "//other/a?b",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn shows_no_secret(text: &str) {
    let shown = match Address::parse(text, Path::new("/etc")) {
        Ok(address) => format!("{address} {address:?}"),
        Err(error) => format!("{error} {error:?}"),
    };
    assert!(!shown.contains(SECRET), "{text} is shown as {shown}");
    let shown = match HttpUrl::parse(text) {
        Ok(url) => format!("{url} {url:?}"),
        Err(error) => error.to_owned(),
    };
    assert!(!shown.contains(SECRET), "{text} is shown as {shown}");
}
