//! What is said of a configuration that can be used, and may have another effect than it seems to.

use super::{SOURCES, parse};

/// The lines and keys of what is noted.
fn noted(text: &str) -> Vec<(u32, String)> {
    let config = parse(text).unwrap();
    config.notes.iter().map(|note| (note.line, note.key.clone())).collect()
}

#[test]
fn notes_have_the_line_and_the_key_of_what_they_are_about() {
    let late = "modes:\n  - {mode: warn}\n  - namespaces: [prod]\n    mode: audit\n";
    assert_eq!(noted(&format!("{SOURCES}{late}")), [(4, "modes[1]".to_owned())]);
    let strict = "unmanaged:\n  - answer: deny\n  - {namespaces: [a], answer: warn}\n";
    assert_eq!(noted(&format!("{SOURCES}{strict}")), [(4, "unmanaged[1]".to_owned())]);
    assert_eq!(noted(SOURCES), []);
}

#[test]
fn a_softer_mode_of_a_source_that_a_rule_overrides_is_noted() {
    let soft = "sources:\n  - name: shop\n    repo: /r\n    mode: audit\n";
    let overridden = [(4, "sources[0].mode".to_owned())];
    for (modes, expected) in [
        ("modes: [{namespaces: [prod], mode: warn}]\n", &overridden[..]),
        ("modes: [{labels: {tier: critical}, mode: enforce}]\n", &overridden),
        ("modes: [{namespaces: [prod], mode: audit}]\n", &[]),
        ("modes: [{applications: [shop], mode: audit}, {namespaces: [prod], mode: warn}]\n", &[]),
        ("", &[]),
    ] {
        assert_eq!(noted(&format!("{soft}{modes}")), expected, "{modes}");
    }
    let scoped = format!("{soft}    namespaces: [test]\nmodes: [{{namespaces: [prod], mode: enforce}}]\n");
    assert_eq!(noted(&scoped), [], "the source declares nothing there");
}
