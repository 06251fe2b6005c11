//! Keyed lists, sets and atomic lists, in every place where the schemas of common kinds have one.

use driftwall_core::diff::PathElement;
use serde_json::{Map, Value, json};

use crate::diff::schema_lists::{ListAt, Of, of_builtin, of_custom, widget};
use crate::diff::table::{DeclaredState, Person, Workload, WriteResult};

/// How many keyed lists, sets and atomic lists were checked.
type Count = [usize; 3];

#[test]
fn every_list_of_the_common_kinds_is_compared_by_its_type() {
    for (kind, expected) in [
        ("apps/v1/Deployment", [28, 6, 125]),
        ("autoscaling/v2/HorizontalPodAutoscaler", [1, 1, 9]),
        ("networking.k8s.io/v1/Ingress", [1, 1, 4]),
        ("networking.k8s.io/v1/NetworkPolicy", [1, 1, 19]),
        ("rbac.authorization.k8s.io/v1/Role", [1, 1, 6]),
        ("v1/Service", [2, 1, 4]),
    ] {
        let (api_version, name) = kind.rsplit_once('/').unwrap();
        assert_eq!(check_lists(api_version, name, None, &of_builtin(kind)), expected, "{kind}");
    }
}

#[test]
fn every_list_of_a_custom_resource_is_compared_by_its_type() {
    let recorded = widget();
    assert_eq!(check_lists("example.com/v1", "Widget", Some(&recorded), &of_custom(&recorded)), [1, 1, 0]);
    // The kinds of lists that the recorded one does not have.
    let mut wide = recorded;
    let text = json!({"type": "string"});
    let object = |properties: Value| json!({"type": "object", "properties": properties});
    let port = object(json!({"port": text, "protocol": {"type": "string", "default": "TCP"}}));
    let ports = json!({
        "type": "array", "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["port", "protocol"], "items": port,
    });
    let names = json!({"type": "array", "x-kubernetes-list-type": "set", "items": text});
    let args = json!({"type": "array", "x-kubernetes-list-type": "atomic", "items": text});
    let rules = json!({
        "type": "array", "x-kubernetes-list-type": "atomic",
        "items": object(json!({"ports": ports, "names": names, "args": args})),
    });
    wide["spec"]["versions"][0]["schema"]["openAPIV3Schema"] =
        object(json!({"spec": object(json!({"ports": ports, "names": names, "args": args, "rules": rules}))}));
    assert_eq!(check_lists("example.com/v1", "Widget", Some(&wide), &of_custom(&wide)), [2, 2, 3]);
}

fn check_lists(api_version: &str, kind: &str, definition: Option<&Value>, lists: &[ListAt]) -> Count {
    let mut count = [0; 3];
    let mut wrong = Vec::new();
    for list in lists {
        let check = ListCheck { api_version, kind, definition, list };
        let (place, errors) = match &list.of {
            Of::Keyed(_) => (0, check.keyed()),
            Of::Set => (1, check.set()),
            Of::Atomic => (2, check.atomic()),
        };
        count[place] += 1;
        wrong.extend(errors.into_iter().map(|error| format!("{} {:?}: {error}", list.path(), list.of)));
    }
    assert!(wrong.is_empty(), "{kind}, {} wrong:\n{}", wrong.len(), wrong.join("\n"));
    count
}

/// One list of a kind.
struct ListCheck<'a> {
    api_version: &'a str,
    kind: &'a str,
    definition: Option<&'a Value>,
    list: &'a ListAt,
}

/// A change of the list, and the fields that it drifts by, for a person and for a workload.
struct Change {
    name: &'static str,
    old: Option<Vec<Value>>,
    new: Option<Vec<Value>>,
    person: Vec<String>,
    workload: Vec<String>,
}

impl ListCheck<'_> {
    fn object(&self, list: Option<Vec<Value>>) -> Value {
        let mut fields = self.list.around(list);
        fields.insert("apiVersion".into(), self.api_version.into());
        fields.insert("kind".into(), self.kind.into());
        let metadata = fields.entry("metadata").or_insert_with(|| Map::new().into());
        metadata["name"] = "web".into();
        metadata["namespace"] = "prod".into();
        Value::from(fields)
    }

    fn git(&self, list: &[Value]) -> DeclaredState {
        let manifest = self.object(Some(list.to_vec()));
        DeclaredState::parse(
            &self.definition.map_or(manifest.to_string(), |definition| format!("{definition}\n---\n{manifest}")),
        )
    }

    /// Evaluates each change and its reverse, which restores what Git declares and is never drift
    /// unless it is a change to something else that Git does not declare.
    fn evaluate(&self, git: &[Value], changes: Vec<Change>) -> Vec<String> {
        let git = self.git(git);
        let mut wrong = Vec::new();
        let mut expect = |what: &str, seen: &WriteResult, fields: &[String]| {
            if seen.conforms() != fields.is_empty() || seen.fields != fields {
                wrong.push(format!("{what}: {seen:?}, not {fields:?}"));
            }
        };
        for Change { name, old, new, person, workload } in changes {
            let (old, new) = (self.object(old), self.object(new));
            expect(&format!("{name}, by a person"), &git.update(Person, &old, &new), &person);
            expect(&format!("{name}, by a workload"), &git.update(Workload, &old, &new), &workload);
            for by in [Person, Workload] {
                expect(&format!("{name}, reversed, by a {by:?}"), &git.update(by, &new, &old), &[]);
            }
        }
        wrong
    }

    fn keyed(&self) -> Vec<String> {
        let of = &self.list.of;
        let written = |key: &str, value: &str| {
            let mut item = of.item(key);
            item.insert("declared".into(), value.into());
            item
        };
        let live = |key: &str, value: &str| {
            Value::from(written(key, value).into_iter().chain(of.filled()).collect::<Map<_, _>>())
        };
        let git = vec![written("a", "1").into(), written("b", "1").into()];
        let right = || Some(vec![live("a", "1"), live("b", "1")]);
        let named = |key: &str, field: Option<&str>| {
            let mut path = self.list.path();
            if !self.list.is_one_value() {
                path.push(of.step(key));
                if let Some(field) = field {
                    path.push(PathElement::Field(field.into()));
                }
            }
            path.to_string()
        };
        let mut whole = vec![named("a", None), named("b", None)];
        whole.dedup();
        let changed = vec![named("b", Some("declared"))];
        // They run one after the other.
        let is_ordered = self.list.path().last_field() == Some("initContainers");
        let turned_round = if is_ordered { vec![self.list.path().to_string()] } else { vec![] };
        let created = self.git(&git).create(Workload, &self.object(right()));
        assert!(created.conforms(), "with all keys filled in: {created:?}");
        self.evaluate(
            &git,
            vec![
                Change {
                    name: "turned round",
                    old: right(),
                    new: Some(vec![live("b", "1"), live("a", "1")]),
                    person: turned_round.clone(),
                    workload: turned_round,
                },
                Change {
                    name: "changed",
                    old: right(),
                    new: Some(vec![live("a", "1"), live("b", "2")]),
                    person: changed.clone(),
                    workload: changed,
                },
                Change {
                    name: "added",
                    old: right(),
                    new: Some(vec![live("a", "1"), live("c", "1"), live("b", "1")]),
                    person: vec![named("c", None)],
                    workload: vec![],
                },
                Change {
                    name: "removed",
                    old: right(),
                    new: Some(vec![live("b", "1")]),
                    person: vec![named("a", None)],
                    workload: vec![named("a", None)],
                },
                Change { name: "all removed", old: right(), new: None, person: whole.clone(), workload: whole },
            ],
        )
    }

    fn set(&self) -> Vec<String> {
        let list = |members: &[&str]| members.iter().map(|member| Value::from(*member)).collect::<Vec<_>>();
        let named = || vec![self.list.path().to_string()];
        let right = || Some(list(&["a", "b"]));
        self.evaluate(
            &list(&["a", "b"]),
            vec![
                Change {
                    name: "turned round",
                    old: right(),
                    new: Some(list(&["b", "a"])),
                    person: vec![],
                    workload: vec![],
                },
                Change {
                    name: "added",
                    old: right(),
                    new: Some(list(&["a", "c", "b"])),
                    person: named(),
                    workload: vec![],
                },
                Change { name: "removed", old: right(), new: Some(list(&["b"])), person: named(), workload: named() },
                Change {
                    name: "exchanged",
                    old: right(),
                    new: Some(list(&["c", "b"])),
                    person: named(),
                    workload: named(),
                },
                Change { name: "all removed", old: right(), new: None, person: named(), workload: named() },
            ],
        )
    }

    fn atomic(&self) -> Vec<String> {
        let item = |value: &str| if self.list.scalars { value.into() } else { json!({"declared": value}) };
        // What the server put there once, whatever it is.
        let filled = |value: &str, by_server: &str| {
            if self.list.scalars { value.into() } else { json!({"declared": value, "filled": by_server}) }
        };
        let named = || vec![self.list.path().to_string()];
        let right = || Some(vec![filled("1", "x"), item("2")]);
        // Who may reach what, and who may do what: no machine adds to it.
        let is_exact = match self.kind {
            "NetworkPolicy" => self.list.path().starts_with(&["spec"]),
            "Role" => self.list.path().starts_with(&["rules"]),
            _ => false,
        };
        let mut changes = vec![
            Change {
                name: "changed",
                old: right(),
                new: Some(vec![filled("1", "x"), item("3")]),
                person: named(),
                workload: named(),
            },
            Change {
                name: "turned round",
                old: right(),
                new: Some(vec![item("2"), filled("1", "x")]),
                person: named(),
                workload: named(),
            },
            Change {
                name: "added",
                old: right(),
                new: Some(vec![filled("1", "x"), item("2"), item("3")]),
                person: named(),
                workload: named(),
            },
            Change {
                name: "added before",
                old: right(),
                new: Some(vec![item("3"), filled("1", "x"), item("2")]),
                person: named(),
                workload: named(),
            },
            Change {
                name: "removed",
                old: right(),
                new: Some(vec![filled("1", "x")]),
                person: named(),
                workload: named(),
            },
            Change {
                name: "all removed",
                old: Some(vec![item("1"), item("2")]),
                new: None,
                person: named(),
                workload: named(),
            },
        ];
        if !self.list.scalars {
            changes.push(Change {
                name: "filled",
                old: right(),
                new: Some(vec![filled("1", "x"), filled("2", "y")]),
                person: named(),
                workload: if is_exact { named() } else { vec![] },
            });
        }
        self.evaluate(&[item("1"), item("2")], changes)
    }
}
