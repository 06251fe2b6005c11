//! The walk: what one write does to an object, held against what Git declares.

use std::collections::{BTreeSet, HashSet};

use serde_json::{Map, Value};

use super::equal::{covers, is_nothing, same};
use super::items::{Items, Keys};
use super::opaque::{hides, is_opaque};
use super::path::{Path, Step};
use super::schema::{DefaultValue, SchemaRef};
use super::server_defaults::{is_blank, is_filled, is_server_made, is_true_by_default};

/// How a write moves one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// A declared field gets a value that is not Git's.
    Changed,
    /// A field that Git does not declare is taken away.
    Dropped,
    /// A field that Git does not declare is added or changed.
    Extra,
    /// A field that Git declares empty is filled.
    Filled,
    /// A declared field is taken away.
    Missing,
    /// A declared field whose value Git does not tell (encrypted, or a placeholder) is changed.
    Opaque,
    /// A declared atomic map keeps all that Git says and gets more.
    Widened,
}

/// One field that a write moves.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where.
    pub path: Path,
    /// How.
    pub nature: ChangeKind,
    /// The value that the write brings.
    pub sent: Option<Value>,
    /// What Git says.
    pub declared: Option<Value>,
}

/// What a write does between `old` and `new`, held against `declared`: one
/// [`Difference`] for each field that it moves and that is not Git's afterwards.
///
/// Without `old` (a CREATE) all that Git declares must be there; with it, only
/// what the write itself changes counts.
pub fn differences(
    declared: Option<&Value>,
    old: Option<&Value>,
    new: Option<&Value>,
    place: SchemaRef<'_>,
    from: &Path,
) -> Vec<Difference> {
    let mut walk = Walk { creating: old.is_none(), path: from.clone(), found: Vec::new() };
    walk.step(declared, old, new, place);
    walk.found
}

struct Walk {
    creating: bool,
    path: Path,
    found: Vec<Difference>,
}

impl Walk {
    fn step(&mut self, declared: Option<&Value>, old: Option<&Value>, new: Option<&Value>, place: SchemaRef<'_>) {
        let present = |value: Option<&Value>| value.is_some_and(|value| !value.is_null());
        // `null` in Git is nothing, which some clients leave out and some send as an empty value.
        if declared.is_some_and(Value::is_null) && new.is_some_and(is_nothing) {
            return;
        }
        let [declared, old, new] = [declared, old, new].map(|value| value.filter(|_| present(value)));
        match (declared, old, new) {
            (None, None, None) => {}
            // Not this write's doing.
            (_, Some(old), Some(new)) if same(old, new, place) => {}
            (_, None, None) if !self.creating => {}
            (None, Some(_), None) => self.report(ChangeKind::Dropped, None, None),
            (None, old, Some(new)) => self.undeclared(old, new, place),
            (Some(declared), old, None) => self.taken(declared, old, place),
            (Some(declared), old, Some(new)) => self.sent(declared, old, new, place),
        }
    }

    fn report(&mut self, nature: ChangeKind, sent: Option<&Value>, declared: Option<&Value>) {
        let (sent, declared) = (sent.cloned(), declared.cloned());
        self.found.push(Difference { path: self.path.clone(), nature, sent, declared });
    }

    fn below(&mut self, step: Step, walk: impl FnOnce(&mut Self)) {
        self.path.push(step);
        walk(self);
        self.path.pop();
    }

    /// Git declares the field, the write leaves it out.
    fn taken(&mut self, declared: &Value, old: Option<&Value>, place: SchemaRef<'_>) {
        let last = self.path.last_field().map(str::to_owned);
        let gone = |declared: &Value, old: Option<&Value>, creating: bool, place| match old {
            // No items are no items, whether the list is written or not.
            Some(Value::Array(old)) if old.is_empty() => false,
            // What the server drops (`false`, `{}`) it never held either.
            Some(old) if is_nothing(declared) => same(declared, old, place),
            Some(_) => true,
            None => creating && (!is_nothing(declared) || is_true_by_default(last.as_deref())),
        };
        match declared {
            // A map of plain values is named value by value, as it was written.
            Value::Object(fields) if !self.path.ends_at_item() && is_flat(fields) && !place.is_atomic_map() => {
                for (name, value) in fields {
                    let before = old.and_then(|old| old.get(name));
                    let is_meant = before.is_none() && self.creating && is_true_by_default(Some(name));
                    if is_meant || gone(value, before, self.creating, place.field(name)) {
                        self.below(Step::Field(name.as_str().into()), |walk| {
                            walk.report(ChangeKind::Missing, None, Some(value));
                        });
                    }
                }
                if fields.is_empty() && gone(declared, old, self.creating, place) {
                    self.report(ChangeKind::Missing, None, Some(declared));
                }
            }
            // So is a keyed list, item by item.
            Value::Array(items) if !items.is_empty() => {
                let before = old.and_then(Value::as_array).map(Vec::as_slice);
                match Keys::of(place, &[items, before.unwrap_or_default()]) {
                    Some(keys @ Keys::Fields(_)) => self.keyed(&keys, items, before, &[], place),
                    _ if gone(declared, old, self.creating, place) => {
                        self.report(ChangeKind::Missing, None, Some(declared));
                    }
                    _ => {}
                }
            }
            _ if gone(declared, old, self.creating, place) => self.report(ChangeKind::Missing, None, Some(declared)),
            _ => {}
        }
    }

    /// Git declares the field, and the write brings it.
    fn sent(&mut self, declared: &Value, old: Option<&Value>, new: &Value, place: SchemaRef<'_>) {
        match (declared, new) {
            (Value::Object(_), Value::Object(_)) if place.is_atomic_map() => self.atomic_map(declared, old, new, place),
            (Value::Object(fields), Value::Object(sent)) => {
                self.fields(Some(fields), old.and_then(Value::as_object), sent, place);
            }
            (Value::Array(items), Value::Array(sent)) => {
                let before = old.and_then(Value::as_array).map(Vec::as_slice);
                match Keys::of(place, &[items, before.unwrap_or_default(), sent]) {
                    // Which item is which is not told.
                    Some(keys) if keys.hidden_in(items) && !same(declared, new, place) => {
                        self.report(ChangeKind::Opaque, Some(new), None);
                    }
                    Some(Keys::Whole) => self.set(items, before, sent, place),
                    Some(keys) => self.keyed(&keys, items, before, sent, place),
                    None if items.is_empty() && !sent.is_empty() => self.changed(declared, new),
                    None if covers(declared, new, place) => self.atomic_list(declared, before, new, place),
                    None => self.changed(declared, new),
                }
            }
            _ if same(declared, new, place) => {}
            (Value::String(text), _) if is_opaque(text) => self.report(ChangeKind::Opaque, Some(new), None),
            _ => self.changed(declared, new),
        }
    }

    fn changed(&mut self, declared: &Value, new: &Value) {
        let is_empty = match declared {
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        // Charts carry all sorts of placeholders for what a CA injector fills in.
        let injected = self.path.last_field() == Some("caBundle");
        let nature = if is_empty || injected { ChangeKind::Filled } else { ChangeKind::Changed };
        self.report(nature, Some(new), Some(declared));
    }

    fn fields(
        &mut self,
        declared: Option<&Map<String, Value>>,
        old: Option<&Map<String, Value>>,
        new: &Map<String, Value>,
        place: SchemaRef<'_>,
    ) {
        let in_git = |name: &str| declared.is_some_and(|fields| fields.get(name).is_some_and(|value| !value.is_null()));
        let shadowed = |name: &str| {
            place.aliases().iter().any(|(alias, main)| {
                (*alias == name && !in_git(alias)) || (*main == name && !in_git(main) && in_git(alias))
            })
        };
        let names: BTreeSet<_> = [declared, old, Some(new)].into_iter().flatten().flat_map(Map::keys).collect();
        for name in names {
            let (git, before, after) = (declared.and_then(|fields| fields.get(name)), at(old, name), new.get(name));
            let is_open = git.is_none_or(|git| git.is_null() || is_blank(git, place.fill(name)));
            if shadowed(name) || (is_open && is_filled(name, before, after, new, place)) {
                continue;
            }
            // Fewer of these is no way back: the server itself would put all of them there.
            let is_cut = git.is_none() && place.fill(name) == Some(&DefaultValue::PolicyTypes) && before != after;
            self.below(Step::Field(name.as_str().into()), |walk| match after {
                Some(after) if is_cut => walk.report(ChangeKind::Extra, Some(after), None),
                _ => walk.step(git, before, after, place.field(name)),
            });
        }
    }

    fn atomic_map(&mut self, declared: &Value, old: Option<&Value>, new: &Value, place: SchemaRef<'_>) {
        if !covers(declared, new, place) {
            self.changed(declared, new);
        } else if same(declared, new, place) {
            // All is as Git has it, also what it does not tell.
        } else if hides(declared) {
            self.report(ChangeKind::Opaque, Some(new), None);
        } else if !only_fewer(old, new) {
            self.report(ChangeKind::Widened, Some(new), Some(declared));
        }
    }

    fn keyed(
        &mut self,
        keys: &Keys<'_>,
        declared: &[Value],
        old: Option<&[Value]>,
        new: &[Value],
        place: SchemaRef<'_>,
    ) {
        let [declared, old, new] = [declared, old.unwrap_or_default(), new].map(|list| Items::of(list, keys));
        for id in Items::union(&[&declared, &new, &old]) {
            let (git, before, after) = (declared.get(id), old.get(id), new.get(id));
            // Git names a variable twice: tools drop one of the two, or turn them round.
            let twins = declared.twins(id);
            let is_twin = |item| twins.iter().any(|twin| same(twin, item, place.items()));
            if !twins.is_empty() && after.map_or_else(|| new.first(id).is_some(), is_twin) {
                continue;
            }
            let Some(step) = git.or(after).or(before).and_then(|item| keys.step(item)) else { continue };
            self.below(step, |walk| walk.step(git, before, after, place.items()));
        }
    }

    fn set(&mut self, declared: &[Value], old: Option<&[Value]>, new: &[Value], place: SchemaRef<'_>) {
        let [git, before, after] = [declared, old.unwrap_or_default(), new].map(|list| Items::of(list, &Keys::Whole));
        let lost = |id| after.get(id).is_none() && (self.creating || before.get(id).is_some());
        let (sent, git_list) = (Value::from(new), Value::from(declared));
        if git.iter().any(|(id, _)| lost(id)) {
            self.report(ChangeKind::Missing, Some(&sent), Some(&git_list));
        } else if after.iter().any(|(id, _)| git.get(id).is_none() && before.get(id).is_none()) {
            let nature = if declared.is_empty() { ChangeKind::Filled } else { ChangeKind::Extra };
            self.report(nature, Some(&sent), Some(&git_list));
        } else if !same(&sent, &git_list, place) {
            self.report(ChangeKind::Dropped, Some(&sent), Some(&git_list));
        }
    }

    /// Git's items are all there, one by one: what Git leaves out of them is
    /// the server's, what the write adds is an extra. The list is one value, so
    /// it is named once, with the worst that happens in it.
    fn atomic_list(&mut self, declared: &Value, old: Option<&[Value]>, new: &Value, place: SchemaRef<'_>) {
        let (Value::Array(items), Value::Array(sent)) = (declared, new) else { return };
        let before = old.filter(|old| old.len() == sent.len());
        let kept: HashSet<_> = old.unwrap_or_default().iter().map(Value::to_string).collect();
        let mut inside = Self { creating: false, path: self.path.clone(), found: Vec::new() };
        for (index, (item, sent)) in items.iter().zip(sent).enumerate() {
            // An item that only moves up where another one goes is not this write's doing.
            if kept.contains(&sent.to_string()) {
                continue;
            }
            let was = before.map(|old| &old[index]);
            // Without a schema nobody can tell the server's defaults in a restored item from an extra.
            let is_sure = was.is_some() || !place.items().is_unknown();
            if is_sure || hides(item) {
                inside.step(Some(item), was, Some(sent), place.items());
                inside.found.retain(|difference| is_sure || difference.nature == ChangeKind::Opaque);
            }
        }
        // A value that Git does not tell is not shown either.
        let open = [
            ChangeKind::Missing,
            ChangeKind::Changed,
            ChangeKind::Opaque,
            ChangeKind::Extra,
            ChangeKind::Filled,
            ChangeKind::Widened,
        ];
        if let Some(nature) = open.into_iter().find(|open| inside.found.iter().any(|inside| inside.nature == *open)) {
            let declared = Some(declared).filter(|_| nature != ChangeKind::Opaque);
            self.report(nature, Some(new), declared);
        }
    }

    /// Git says nothing of the field, and the write brings or changes it.
    fn undeclared(&mut self, old: Option<&Value>, new: &Value, place: SchemaRef<'_>) {
        match new {
            // To Kubernetes a selector that is there and empty selects everything.
            Value::Object(fields) if fields.is_empty() && old.is_none() => {
                // A map of data without a key is none.
                if !self.path.ends_in_map() {
                    self.report(ChangeKind::Extra, Some(new), None);
                }
            }
            Value::Array(items) if items.is_empty() => {}
            Value::Object(fields) if !place.is_atomic_map() => match old {
                Some(Value::Object(before)) => self.fields(None, Some(before), fields, place),
                None if is_flat(fields) && !self.path.ends_at_item() => self.fields(None, None, fields, place),
                None if is_server_made(new, place) => {}
                _ => self.report(ChangeKind::Extra, Some(new), None),
            },
            Value::Array(items) => {
                let before = old.and_then(Value::as_array).map(Vec::as_slice);
                match Keys::of(place, &[before.unwrap_or_default(), items]) {
                    Some(keys @ Keys::Fields(_)) => self.keyed(&keys, &[], before, items, place),
                    Some(keys) if is_subset(items, before, &keys) => self.report(ChangeKind::Dropped, Some(new), None),
                    _ if only_fewer(old, new) => self.report(ChangeKind::Dropped, Some(new), None),
                    _ => self.report(ChangeKind::Extra, Some(new), None),
                }
            }
            _ if only_fewer(old, new) => self.report(ChangeKind::Dropped, Some(new), None),
            _ => self.report(ChangeKind::Extra, Some(new), None),
        }
    }
}

/// Whether the write only takes away from a list or map of plain values.
fn only_fewer(old: Option<&Value>, new: &Value) -> bool {
    match (old, new) {
        (Some(Value::Object(old)), Value::Object(new)) => new.iter().all(|(name, value)| old.get(name) == Some(value)),
        (Some(Value::Array(old)), Value::Array(new)) => {
            let mut old = old.iter();
            new.iter().all(|item| old.any(|there| there == item))
        }
        _ => false,
    }
}

/// Whether a set has only members that were there.
fn is_subset(new: &[Value], old: Option<&[Value]>, keys: &Keys<'_>) -> bool {
    let old = Items::of(old.unwrap_or_default(), keys);
    Items::of(new, keys).iter().all(|(id, _)| old.get(id).is_some())
}

fn at<'v>(fields: Option<&'v Map<String, Value>>, name: &str) -> Option<&'v Value> {
    fields?.get(name).filter(|value| !value.is_null())
}

fn is_flat(fields: &Map<String, Value>) -> bool {
    fields.values().all(|value| !value.is_object() && !value.is_array())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::unknown;
    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "cases are written as `json!` values")]
    fn walked(declared: Value, old: Option<Value>, new: Value) -> Vec<(String, ChangeKind)> {
        let found = differences(Some(&declared), old.as_ref(), Some(&new), unknown(), &Path::default());
        found.into_iter().map(|difference| (difference.path.to_string(), difference.nature)).collect()
    }

    #[test]
    fn each_move_has_its_nature() {
        for (declared, old, new, path, nature) in [
            (json!({"a": 1}), json!({"a": 1}), json!({"a": 2}), "a", ChangeKind::Changed),
            (json!({"a": 1}), json!({"a": 1}), json!({}), "a", ChangeKind::Missing),
            (json!({}), json!({"a": 1}), json!({}), "a", ChangeKind::Dropped),
            (json!({}), json!({}), json!({"a": 1}), "a", ChangeKind::Extra),
            (json!({"a": ""}), json!({}), json!({"a": "b"}), "a", ChangeKind::Filled),
            (json!({"a": "${A}"}), json!({"a": "b"}), json!({"a": "c"}), "a", ChangeKind::Opaque),
            (json!({"a": ["${A}"]}), json!({"a": ["b"]}), json!({"a": ["c"]}), "a", ChangeKind::Opaque),
            (json!({"a": {"b": 1}}), json!({"a": {"b": 1}}), json!({"a": {}}), "a.b", ChangeKind::Missing),
        ] {
            let expected = vec![(path.to_owned(), nature)];
            assert_eq!(
                walked(declared.clone(), Some(old.clone()), new.clone()),
                expected,
                "{declared}: {old} to {new}"
            );
            if nature != ChangeKind::Dropped && nature != ChangeKind::Opaque {
                let back = walked(declared.clone(), Some(new.clone()), old.clone());
                assert!(
                    back.iter().all(|(_, nature)| *nature == ChangeKind::Dropped),
                    "{declared}: back to {old}: {back:?}"
                );
            }
        }
        assert!(walked(json!({"a": null}), Some(json!({})), json!({"a": ""})).is_empty());
        assert_eq!(walked(json!({"a": 1}), None, json!({})), [("a".to_owned(), ChangeKind::Missing)]);
    }
}
