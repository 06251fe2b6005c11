//! Old names of keys, and the defaults that the schema tells.

use std::time::Duration;

use driftwall_core::actor::Class;
use serde_json::Value;

use super::{SOURCES, parse, problems};
use crate::config::{CertificateSettings, CertificateValidity, json_schema};

/// Where a key is, its old name, its new one, and a value.
const RENAMED: [(&str, &str, &str, &str); 8] = [
    ("breakGlass", "longest", "maxDuration", "7s"),
    ("git", "data", "dataDir", "/mirrors"),
    ("git", "freshness", "refreshAfter", "7s"),
    ("git", "longestLook", "refreshTimeout", "2s"),
    ("registration", "leaveOut", "excludeNamespaces", "[apart]"),
    ("registration", "restore", "selfHeal", "true"),
    ("tls", "authorityLife", "caValidity", "7000h"),
    ("tls", "certificateLife", "certificateValidity", "70h"),
];

fn with_key(parent: &str, keys: &str) -> String {
    let managed = match parent {
        "registration" => "manage: true, ",
        "tls" => "selfManaged: true, ",
        _ => "",
    };
    format!("{SOURCES}{parent}: {{{managed}{keys}}}\n")
}

#[test]
fn every_old_name_of_a_key_means_what_the_new_one_means() {
    for (parent, old, new, value) in RENAMED {
        let of_default = format!("{:?}", parse(with_key(parent, "")).unwrap());
        let of_new = format!("{:?}", parse(with_key(parent, &format!("{new}: {value}"))).unwrap());
        let of_old = format!("{:?}", parse(with_key(parent, &format!("{old}: {value}"))).unwrap());
        assert_eq!(of_old, of_new, "{parent}.{old}");
        let has_effect = of_new != of_default;
        // The folder of mirrors shows with sources on servers only.
        assert!(has_effect || new == "dataDir", "{parent}.{new}");
    }
    let old = "sources: [{name: a, repo: 'https://h/r'}]\ngit: {data: /mirrors}\n";
    let folder = parse(old).unwrap().sources.remove(0).folder;
    assert!(folder.starts_with("/mirrors"), "{}", folder.display());
}

#[test]
fn an_old_and_a_new_name_at_once_are_refused_with_both() {
    for (parent, old, new, value) in RENAMED {
        let found = problems(with_key(parent, &format!("{old}: {value}, {new}: {value}")));
        let message = format!("`{old}` is the old name of `{new}`, and both are given; remove `{old}`");
        assert_eq!((found.len(), &*found[0].key, &*found[0].message), (1, &*format!("{parent}.{new}"), &*message));
        // The other way round, the problem is at the other key, in the same words.
        let found = problems(with_key(parent, &format!("{new}: {value}, {old}: {value}")));
        assert_eq!((&*found[0].key, &*found[0].message), (&*format!("{parent}.{old}"), &*message));
    }
}

#[test]
fn the_schema_has_every_old_name_as_a_deprecated_one() {
    let schema = json_schema();
    let mut deprecated = 0;
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        for (key, property) in definition["properties"].as_object().into_iter().flatten() {
            if property["deprecated"] == true {
                deprecated += 1;
                let renamed = RENAMED.iter().any(|(_, old, new, _)| key == old && property["x-new-name"] == *new);
                assert!(renamed, "{name}.{key}");
            }
        }
    }
    assert_eq!(deprecated, RENAMED.len());
}

#[test]
fn the_defaults_are_those_that_the_schema_tells() {
    let config = parse(format!("{SOURCES}tls: {{selfManaged: true}}\n")).unwrap();
    let schema = json_schema();
    let default = |key: &str| match schema.pointer(&format!("{key}/default")) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => panic!("{key} has no default"),
    };
    let duration = |key: &str| Duration::try_from(default(key).parse::<jiff::SignedDuration>().unwrap()).unwrap();
    assert_eq!(config.listen.to_string(), default("/properties/listen"));
    assert_eq!(config.admin.to_string(), default("/properties/admin"));
    assert_eq!(config.policy.mode.as_str(), default("/properties/mode"));
    assert_eq!(config.policy.on_error.as_str(), default("/properties/onError"));
    assert_eq!(config.policy.dry_run.as_str(), default("/properties/dryRun"));
    assert_eq!(config.policy.unmanaged_outcome("any", Class::Person).as_str(), default("/properties/unmanaged"));
    assert_eq!(config.policy.extras_outcome("any").as_str(), default("/properties/extras"));
    assert_eq!(config.events.to_string(), default("/properties/events"));
    assert_eq!(config.max_staleness, duration("/properties/maxStaleness"));
    assert_eq!(config.drain, duration("/properties/drain"));
    assert_eq!(config.poll_interval, duration("/$defs/Git/properties/poll"));
    assert!(!config.has_refresh_after);
    assert_eq!(config.refresh_timeout, duration("/$defs/Git/properties/refreshTimeout"));
    assert_eq!(config.break_glass.max_duration, duration("/$defs/BreakGlass/properties/maxDuration"));
    assert_eq!(config.registration.failure_policy.as_str(), default("/$defs/Registration/properties/failurePolicy"));
    let validity = CertificateValidity {
        ca: duration("/$defs/Tls/properties/caValidity"),
        certificate: duration("/$defs/Tls/properties/certificateValidity"),
    };
    assert_eq!(config.tls.unwrap().certificate, CertificateSettings::SelfManaged(validity));
}
