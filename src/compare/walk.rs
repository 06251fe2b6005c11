//! The walk: what one write does to an object, held against what Git declares.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::equal::{covers, is_nothing, same};
use super::items::{Items, Keys};
use super::opaque::{hides, is_opaque};
use super::path::{Path, Step};
use super::schema::{Fill, Place};

/// How a write moves one field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
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
    pub nature: Nature,
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
    place: Place<'_>,
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
    fn step(&mut self, declared: Option<&Value>, old: Option<&Value>, new: Option<&Value>, place: Place<'_>) {
        let present = |value: Option<&Value>| value.is_some_and(|value| !value.is_null());
        let [declared, old, new] = [declared, old, new].map(|value| value.filter(|_| present(value)));
        match (declared, old, new) {
            (None, None, None) => {}
            // Not this write's doing.
            (_, Some(old), Some(new)) if same(old, new, place) => {}
            (_, None, None) if !self.creating => {}
            (None, Some(_), None) => self.report(Nature::Dropped, None, None),
            (None, old, Some(new)) => self.undeclared(old, new, place),
            (Some(declared), old, None) => self.taken(declared, old, place),
            (Some(declared), old, Some(new)) => self.sent(declared, old, new, place),
        }
    }

    fn report(&mut self, nature: Nature, sent: Option<&Value>, declared: Option<&Value>) {
        let (sent, declared) = (sent.cloned(), declared.cloned());
        self.found.push(Difference { path: self.path.clone(), nature, sent, declared });
    }

    fn below(&mut self, step: Step, walk: impl FnOnce(&mut Self)) {
        self.path.push(step);
        walk(self);
        self.path.pop();
    }

    /// Git declares the field, the write leaves it out.
    fn taken(&mut self, declared: &Value, old: Option<&Value>, place: Place<'_>) {
        let gone = |declared: &Value, old: Option<&Value>, creating: bool, place| match old {
            // What the server drops (`false`, `{}`) it never held either.
            Some(old) if is_nothing(declared) => same(declared, old, place),
            Some(_) => true,
            None => creating && !is_nothing(declared),
        };
        match declared {
            // A map of plain values is named value by value, as it was written.
            Value::Object(fields) if !self.path.ends_at_item() && is_flat(fields) && !place.is_atomic_map() => {
                for (name, value) in fields {
                    let before = old.and_then(|old| old.get(name));
                    if gone(value, before, self.creating, place.field(name)) {
                        self.below(Step::Field(name.as_str().into()), |walk| {
                            walk.report(Nature::Missing, None, Some(value))
                        });
                    }
                }
                if fields.is_empty() && gone(declared, old, self.creating, place) {
                    self.report(Nature::Missing, None, Some(declared));
                }
            }
            // So is a keyed list, item by item.
            Value::Array(items) if !items.is_empty() => {
                let before = old.and_then(Value::as_array).map(Vec::as_slice);
                match Keys::of(place, &[items, before.unwrap_or_default()]) {
                    Some(keys @ Keys::Fields(_)) => self.keyed(&keys, items, before, &[], place),
                    _ if gone(declared, old, self.creating, place) => {
                        self.report(Nature::Missing, None, Some(declared))
                    }
                    _ => {}
                }
            }
            _ if gone(declared, old, self.creating, place) => self.report(Nature::Missing, None, Some(declared)),
            _ => {}
        }
    }

    /// Git declares the field, and the write brings it.
    fn sent(&mut self, declared: &Value, old: Option<&Value>, new: &Value, place: Place<'_>) {
        match (declared, new) {
            (Value::Object(_), Value::Object(_)) if place.is_atomic_map() => self.atomic_map(declared, old, new, place),
            (Value::Object(fields), Value::Object(sent)) => {
                self.fields(Some(fields), old.and_then(Value::as_object), sent, place);
            }
            (Value::Array(items), Value::Array(sent)) => {
                let before = old.and_then(Value::as_array).map(Vec::as_slice);
                match Keys::of(place, &[items, before.unwrap_or_default(), sent]) {
                    // Which item is which is not told.
                    Some(keys) if keys.hidden_in(items) => self.report(Nature::Opaque, Some(new), None),
                    Some(Keys::Whole) => self.set(items, before, sent, place),
                    Some(keys) => self.keyed(&keys, items, before, sent, place),
                    None if covers(declared, new, place) => self.atomic_list(declared, before, new, place),
                    None => self.changed(declared, new),
                }
            }
            _ if same(declared, new, place) => {}
            (Value::String(text), _) if is_opaque(text) => self.report(Nature::Opaque, Some(new), None),
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
        let nature = if is_empty || injected { Nature::Filled } else { Nature::Changed };
        self.report(nature, Some(new), Some(declared));
    }

    fn fields(
        &mut self,
        declared: Option<&Map<String, Value>>,
        old: Option<&Map<String, Value>>,
        new: &Map<String, Value>,
        place: Place<'_>,
    ) {
        let declares =
            |name: &str| declared.is_some_and(|fields| fields.get(name).is_some_and(|value| !value.is_null()));
        let shadowed = |name: &str| {
            place.aliases().iter().any(|(alias, main)| {
                (*alias == name && !declares(alias)) || (*main == name && !declares(main) && declares(alias))
            })
        };
        let names: BTreeSet<_> = [declared, old, Some(new)].into_iter().flatten().flat_map(Map::keys).collect();
        for name in names {
            let (git, before, after) = (at(declared, name), at(old, name), new.get(name));
            if shadowed(name) || (git.is_none() && is_filled(name, before, after, new, place)) {
                continue;
            }
            self.below(Step::Field(name.as_str().into()), |walk| walk.step(git, before, after, place.field(name)));
        }
    }

    fn atomic_map(&mut self, declared: &Value, old: Option<&Value>, new: &Value, place: Place<'_>) {
        if !covers(declared, new, place) {
            self.changed(declared, new);
        } else if hides(declared) {
            self.report(Nature::Opaque, Some(new), None);
        } else if !same(declared, new, place) && !only_fewer(old, new) {
            self.report(Nature::Widened, Some(new), Some(declared));
        }
    }

    fn keyed(&mut self, keys: &Keys<'_>, declared: &[Value], old: Option<&[Value]>, new: &[Value], place: Place<'_>) {
        let [declared, old, new] = [declared, old.unwrap_or_default(), new].map(|list| Items::of(list, keys));
        for id in Items::union(&[&declared, &new, &old]) {
            let (git, before, after) = (declared.get(id), old.get(id), new.get(id));
            let Some(step) = git.or(after).or(before).and_then(|item| keys.step(item)) else { continue };
            self.below(step, |walk| walk.step(git, before, after, place.items()));
        }
    }

    fn set(&mut self, declared: &[Value], old: Option<&[Value]>, new: &[Value], place: Place<'_>) {
        let [git, before, after] = [declared, old.unwrap_or_default(), new].map(|list| Items::of(list, &Keys::Whole));
        let lost = |id| after.get(id).is_none() && (self.creating || before.get(id).is_some());
        let (sent, declares) = (Value::from(new), Value::from(declared));
        if git.iter().any(|(id, _)| lost(id)) {
            self.report(Nature::Missing, Some(&sent), Some(&declares));
        } else if after.iter().any(|(id, _)| git.get(id).is_none() && before.get(id).is_none()) {
            let nature = if declared.is_empty() { Nature::Filled } else { Nature::Extra };
            self.report(nature, Some(&sent), Some(&declares));
        } else if !same(&sent, &declares, place) {
            self.report(Nature::Dropped, Some(&sent), Some(&declares));
        }
    }

    /// Git's items are all there, one by one: what Git leaves out of them is
    /// the server's, what the write adds is an extra.
    fn atomic_list(&mut self, declared: &Value, old: Option<&[Value]>, new: &Value, place: Place<'_>) {
        let (Value::Array(items), Value::Array(sent)) = (declared, new) else { return };
        let before = old.filter(|old| old.len() == sent.len());
        let mut inside = Self { creating: false, path: self.path.clone(), found: Vec::new() };
        for (index, (item, sent)) in items.iter().zip(sent).enumerate() {
            let was = before.map(|old| &old[index]);
            // Without a schema nobody can tell the server's defaults in a restored item from an extra.
            let is_sure = was.is_some() || !place.items().is_unknown();
            if is_sure || hides(item) {
                inside.step(Some(item), was, Some(sent), place.items());
                inside.found.retain(|difference| is_sure || difference.nature == Nature::Opaque);
            }
        }
        let has = |nature| inside.found.iter().any(|difference| difference.nature == nature);
        if has(Nature::Opaque) {
            self.report(Nature::Opaque, Some(new), None);
        } else if has(Nature::Extra) {
            self.report(Nature::Extra, Some(new), Some(declared));
        }
    }

    /// Git says nothing of the field, and the write brings or changes it.
    fn undeclared(&mut self, old: Option<&Value>, new: &Value, place: Place<'_>) {
        match new {
            Value::Object(fields) if fields.is_empty() => {}
            Value::Array(items) if items.is_empty() => {}
            Value::Object(fields) if !place.is_atomic_map() => match old {
                Some(Value::Object(before)) => self.fields(None, Some(before), fields, place),
                None if is_flat(fields) && !self.path.ends_at_item() => self.fields(None, None, fields, place),
                None if is_server_made(new, place) => {}
                _ => self.report(Nature::Extra, Some(new), None),
            },
            Value::Array(items) => {
                let before = old.and_then(Value::as_array).map(Vec::as_slice);
                match Keys::of(place, &[before.unwrap_or_default(), items]) {
                    Some(keys @ Keys::Fields(_)) => self.keyed(&keys, &[], before, items, place),
                    _ if only_fewer(old, new) => self.report(Nature::Dropped, Some(new), None),
                    _ => self.report(Nature::Extra, Some(new), None),
                }
            }
            _ if only_fewer(old, new) => self.report(Nature::Dropped, Some(new), None),
            _ => self.report(Nature::Extra, Some(new), None),
        }
    }
}

/// Whether a field that Git leaves out has, after the write, just what the server puts there.
fn is_filled(
    name: &str,
    old: Option<&Value>,
    new: Option<&Value>,
    parent: &Map<String, Value>,
    place: Place<'_>,
) -> bool {
    let Some(new) = new else { return false };
    match place.fill(name) {
        None => false,
        Some(Fill::Allocated) => old.is_none(),
        Some(Fill::PullPolicy) => new.as_str() == Some(pull_policy(parent)),
        Some(Fill::Sibling(other)) => parent.get(*other) == Some(new),
        Some(Fill::Value(value)) => same(value, new, place.field(name)),
    }
}

/// Whether a new value is all defaults: the server makes it as soon as its parent is there.
fn is_server_made(value: &Value, place: Place<'_>) -> bool {
    let Value::Object(fields) = value else { return false };
    fields.iter().all(|(name, value)| {
        is_filled(name, None, Some(value), fields, place)
            || is_nothing(value) && value.is_object()
            || is_server_made(value, place.field(name))
    })
}

/// `Always` for an image without a tag or with `latest`, `IfNotPresent` for all else.
fn pull_policy(container: &Map<String, Value>) -> &'static str {
    let image = container.get("image").and_then(Value::as_str).unwrap_or_default();
    let (name, digest) = image.split_once('@').map_or((image, false), |(name, _)| (name, true));
    let tag = name.rsplit('/').next().and_then(|last| last.split_once(':')).map(|(_, tag)| tag);
    match tag {
        Some("latest") => "Always",
        None if !digest => "Always",
        _ => "IfNotPresent",
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

fn at<'v>(fields: Option<&'v Map<String, Value>>, name: &str) -> Option<&'v Value> {
    fields?.get(name).filter(|value| !value.is_null())
}

fn is_flat(fields: &Map<String, Value>) -> bool {
    fields.values().all(|value| !value.is_object() && !value.is_array())
}
