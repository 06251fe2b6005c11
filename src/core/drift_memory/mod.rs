//! A bounded memory of who drifts what: in audit mode, it tells which writers need an entry in the configuration
//! before their drift may be denied.

mod entries;
mod suggestion;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::actor::{ActorRules, WrittenGrant};
use crate::admission::Write;
use crate::diff::Path;
use crate::policy::{Assessment, Verdict};

pub use suggestion::suggestion;

/// What a writer drifts again and again.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DriftKey {
    /// The writer's name.
    pub user: String,
    /// The writer's class.
    pub actor: String,
    /// The API group of the object; empty for the core group.
    pub group: String,
    /// The kind of the object.
    pub kind: String,
    /// The path of the field; empty where the drift is not about fields, as with a deletion.
    pub field: String,
    /// What the write does: `UPDATE`, `DELETE`, …
    pub operation: String,
    /// The source that declares what the write drifts from; empty where none does.
    pub source: String,
    /// Whether an admission webhook or a default of the API server may have made the value, not the writer.
    #[serde(default)]
    pub may_be_admission: bool,
}

/// How often, when and where it was seen.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recurrence {
    /// What was seen.
    #[serde(flatten)]
    pub key: DriftKey,
    /// How often.
    pub count: u64,
    /// When first; of recorded reviews it is not known.
    pub first: Option<Timestamp>,
    /// When last.
    pub last: Option<Timestamp>,
    /// The object of the first time: `NAMESPACE/NAME`, or `NAME`.
    pub example: String,
    /// What a rule grants the writer already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub granted: Vec<WrittenGrant>,
}

/// Drift that was seen, up to a number of entries and bytes.
#[derive(Debug, Default)]
pub struct DriftMemory {
    entries: HashMap<DriftKey, Seen>,
    /// Bytes of all texts.
    bytes: usize,
    /// How often drift was seen that has no place here any more.
    forgotten: u64,
}

#[derive(Debug)]
struct Seen {
    count: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    example: String,
    granted: Vec<WrittenGrant>,
}

/// The most entries.
const MAX_ENTRIES: usize = 2000;
/// The most bytes of all texts.
const MAX_BYTES: usize = 1 << 20;
/// The most bytes of one entry: a longer path is nobody's configuration.
const MAX_ENTRY_BYTES: usize = 4096;
/// The most fields of one write.
const MAX_FIELDS: usize = 50;

impl DriftMemory {
    /// Notes what a write drifts, if it does. A dry run changes nothing.
    pub fn record(
        &mut self,
        write: &Write<'_>,
        assessment: &Assessment<'_>,
        actors: &ActorRules,
        now: Option<Timestamp>,
    ) {
        if assessment.verdict != Verdict::Drift || write.dry_run {
            return;
        }
        let example = match &*write.namespace {
            "" => assessment.name.clone(),
            namespace => format!("{namespace}/{}", assessment.name),
        };
        let granted: Vec<_> = {
            let actor = actors.classify(&write.user, &write.resource);
            actor.grants().iter().map(|grant| grant.written().clone()).collect()
        };
        let key = |field: String, may_be_admission: bool| DriftKey {
            user: write.user.name.to_string(),
            actor: assessment.class.to_string(),
            group: write.resource.group.to_string(),
            kind: assessment.kind.clone(),
            field,
            operation: write.operation.to_string(),
            source: assessment.source.map(|source| source.name.clone()).unwrap_or_default(),
            may_be_admission,
        };
        if assessment.findings.is_empty() {
            self.insert(key(String::new(), false), &example, &granted, now);
        }
        for finding in assessment.findings.iter().take(MAX_FIELDS) {
            self.insert(key(finding.path.to_string(), finding.may_be_admission), &example, &granted, now);
        }
    }

    /// All that is remembered, the most frequent first.
    pub fn recurrences(&self) -> Vec<Recurrence> {
        let mut all: Vec<_> = self
            .entries
            .iter()
            .map(|(key, Seen { count, first, last, example, granted })| Recurrence {
                key: key.clone(),
                count: *count,
                first: *first,
                last: *last,
                example: example.clone(),
                granted: granted.clone(),
            })
            .collect();
        sort(&mut all);
        all
    }

    /// How often drift was seen that is not remembered: there was no room.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    fn insert(&mut self, key: DriftKey, example: &str, granted: &[WrittenGrant], now: Option<Timestamp>) {
        if let Some(seen) = self.entries.get_mut(&key) {
            seen.count = seen.count.saturating_add(1);
            seen.last = now;
            return;
        }
        let bytes = key.bytes() + example.len() + bytes_of(granted);
        if bytes > MAX_ENTRY_BYTES {
            self.forgotten += 1;
            return;
        }
        while self.entries.len() >= MAX_ENTRIES || self.bytes + bytes > MAX_BYTES {
            self.forget_one();
        }
        self.bytes += bytes;
        let seen = Seen { count: 1, first: now, last: now, example: example.to_owned(), granted: granted.to_vec() };
        self.entries.insert(key, seen);
    }

    /// Forgets what was seen least often; of these, what was not seen for the longest time.
    fn forget_one(&mut self) {
        let rarest = self.entries.iter().min_by_key(|(_, seen)| (seen.count, seen.last)).map(|(key, _)| key.clone());
        if let Some((key, seen)) = rarest.and_then(|key| self.entries.remove_entry(&key)) {
            self.bytes -= key.bytes() + seen.example.len() + bytes_of(&seen.granted);
            self.forgotten = self.forgotten.saturating_add(seen.count);
        }
    }
}

/// What several servers have seen, taken together.
pub fn taken_together(seen: impl IntoIterator<Item = Recurrence>) -> Vec<Recurrence> {
    let mut together: HashMap<DriftKey, Recurrence> = HashMap::new();
    for recurrence in seen {
        match together.entry(recurrence.key.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(recurrence);
            }
            Entry::Occupied(mut entry) => {
                let known = entry.get_mut();
                known.count = known.count.saturating_add(recurrence.count);
                known.first = [known.first, recurrence.first].into_iter().flatten().min();
                known.last = known.last.max(recurrence.last);
            }
        }
    }
    let mut all: Vec<_> = together.into_values().collect();
    sort(&mut all);
    all
}

/// The most frequent first.
fn sort(recurrences: &mut [Recurrence]) {
    recurrences.sort_by(|one, other| {
        let order = |it: &Recurrence| (it.key.user.clone(), it.key.kind.clone(), it.key.field.clone());
        other.count.cmp(&one.count).then_with(|| order(one).cmp(&order(other)))
    });
}

impl Recurrence {
    /// Whether a rule that names the writer lets this pass now: it may have been seen before the rule was there.
    pub fn is_let_pass(&self, actors: &ActorRules) -> bool {
        let DriftKey { user, group, kind, field, operation, .. } = &self.key;
        let Some(rule) = actors.rule_naming(user) else { return false };
        let is_granted = || match field.parse::<Path>() {
            Ok(path) => rule.grants().iter().any(|grant| grant.covers(group, kind, &path)),
            Err(_) => operation == "DELETE" && rule.grants().iter().any(|grant| grant.covers_deletion(group, kind)),
        };
        rule.is_exempt() || is_granted()
    }
}

impl DriftKey {
    fn bytes(&self) -> usize {
        let Self { user, actor, group, kind, field, operation, source, may_be_admission: _ } = self;
        [user, actor, group, kind, field, operation, source].iter().map(|text| text.len()).sum()
    }
}

fn bytes_of(grants: &[WrittenGrant]) -> usize {
    let of_paths = |paths: &[String]| paths.iter().map(String::len).sum::<usize>();
    grants.iter().map(|grant| grant.group.len() + grant.kind.len() + of_paths(&grant.paths)).sum()
}

/// What a writer has drifted so often in a Deployment, for tests; without a field it is a deletion.
#[cfg(test)]
fn recurrence(user: &str, actor: &str, field: &str, count: u64) -> Recurrence {
    let key = DriftKey {
        user: user.into(),
        actor: actor.into(),
        group: "apps".into(),
        kind: "Deployment".into(),
        field: field.into(),
        operation: if field.is_empty() { "DELETE" } else { "UPDATE" }.into(),
        source: "prod".into(),
        may_be_admission: false,
    };
    Recurrence { key, count, first: None, last: None, example: "prod/web".into(), granted: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::{ActorRule, Class, Grant};

    fn key(user: &str, field: &str) -> DriftKey {
        DriftKey {
            user: user.into(),
            actor: "workload".into(),
            group: "apps".into(),
            kind: "Deployment".into(),
            field: field.into(),
            operation: "UPDATE".into(),
            source: "prod".into(),
            may_be_admission: false,
        }
    }

    fn at(second: i64) -> Option<Timestamp> {
        Timestamp::from_second(second).ok()
    }

    #[test]
    fn what_recurs_is_counted_with_its_first_and_last_time_and_the_first_example() {
        let mut memory = DriftMemory::default();
        for (second, user, field, example) in [
            (1, "ci", "spec.replicas", "prod/web"),
            (2, "vpa", "spec.replicas", "prod/web"),
            (3, "ci", "spec.replicas", "prod/api"),
            (4, "ci", "spec.paused", "prod/web"),
            (5, "ci", "spec.replicas", "prod/web"),
        ] {
            memory.insert(key(user, field), example, &[], at(second));
        }
        let seen: Vec<_> = memory
            .recurrences()
            .into_iter()
            .map(|it| (it.key.user, it.key.field, it.count, it.first, it.last, it.example))
            .collect();
        let row = |user: &str, field: &str, count, first, last, example: &str| {
            (user.to_owned(), field.to_owned(), count, at(first), at(last), example.to_owned())
        };
        assert_eq!(
            seen,
            [
                row("ci", "spec.replicas", 3, 1, 5, "prod/web"),
                row("ci", "spec.paused", 1, 4, 4, "prod/web"),
                row("vpa", "spec.replicas", 1, 2, 2, "prod/web"),
            ]
        );
    }

    #[test]
    fn what_several_servers_saw_is_added_up_and_what_a_rule_lets_pass_now_is_known() {
        let seen = |field: &str, count, first, last| {
            let (key, example) = (key("system:serviceaccount:ci:x", field), "prod/web".to_owned());
            Recurrence { key, count, first: at(first), last: at(last), example, granted: Vec::new() }
        };
        let all = [seen("spec.replicas", 1, 5, 9), seen("spec.paused", 4, 1, 2), seen("spec.replicas", 5, 3, 4)];
        let together = taken_together(all);
        assert_eq!(together, [seen("spec.replicas", 6, 3, 9), seen("spec.paused", 4, 1, 2)]);

        let rule = |class, grants| {
            let rule = ActorRule::new(class, &["system:serviceaccount:ci:*"], &[""; 0], grants).unwrap();
            ActorRules::new(vec![rule], &[]).unwrap()
        };
        let replicas = || vec![Grant::new("apps", "Deployment", &["spec.replicas"]).unwrap()];
        let deletion = Recurrence {
            key: DriftKey { operation: "DELETE".into(), ..key("system:serviceaccount:ci:x", "") },
            ..together[0].clone()
        };
        for (rules, expected) in [
            (ActorRules::default(), [false, false, false]),
            (rule(Class::Gitops, Vec::new()), [true, true, true]),
            (rule(Class::Workload, replicas()), [true, false, false]),
            (rule(Class::Workload, vec![Grant::to_delete("*", "Deployment").unwrap()]), [false, false, true]),
        ] {
            let is_let_pass = |seen: &Recurrence| seen.is_let_pass(&rules);
            assert_eq!([&together[0], &together[1], &deletion].map(is_let_pass), expected);
        }
    }

    #[test]
    fn what_recurs_outlives_any_flood_and_the_bounds_hold() {
        let mut memory = DriftMemory::default();
        for second in 0..3 {
            memory.insert(key("ci", "spec.replicas"), "prod/web", &[], at(second));
        }
        for n in 0..3 * i64::try_from(MAX_ENTRIES).unwrap() {
            memory.insert(key("alice", &format!("data.key-{n}")), "prod/map", &[], at(10 + n));
        }
        assert_eq!((memory.entries.len(), memory.forgotten()), (MAX_ENTRIES, 2 * MAX_ENTRIES as u64 + 1));
        assert_eq!(memory.recurrences()[0].key, key("ci", "spec.replicas"));

        for n in 0..1000 {
            memory.insert(key("bob", &format!("{n}-{}", "x".repeat(3000))), "prod/map", &[], at(100_000 + n));
        }
        let bytes: usize = memory.entries.iter().map(|(key, seen)| key.bytes() + seen.example.len()).sum();
        assert!(bytes == memory.bytes && bytes <= MAX_BYTES, "{bytes} {}", memory.bytes);
        assert_eq!(memory.recurrences()[0].key, key("ci", "spec.replicas"));

        let entries = memory.entries.len();
        memory.insert(key("bob", &"x".repeat(MAX_ENTRY_BYTES)), "prod/map", &[], at(200_000));
        assert_eq!(memory.entries.len(), entries, "a giant has no place");
    }
}
