//! The items of a list that is no single value: told apart by their keys, or,
//! in a set, by themselves.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::opaque::is_hidden;
use super::path::Step;
use super::schema::{Key, ListKind, SchemaRef};

/// What tells the items of a list apart.
pub(super) enum Keys<'s> {
    /// These fields of each item.
    Fields(Cow<'s, [Key]>),
    /// The items themselves: a set.
    Whole,
}

/// What tells one item apart: its keys as text, and how many items before it
/// have the same (`env` may name a variable twice).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id(String, usize);

/// A list, each item with what tells it apart.
pub(super) struct Items<'v> {
    order: Vec<(Id, &'v Value)>,
    has_twins: bool,
    by_id: HashMap<Id, &'v Value>,
}

/// How many items with the same keys are looked through: nobody writes more by
/// mistake, and a list of nothing else must not cost its square.
const MAX_TWINS: usize = 8;

impl<'s> Keys<'s> {
    /// What tells items apart at this place in all of `lists`; `None` for an atomic list.
    pub(super) fn of(place: SchemaRef<'s>, lists: &[&[Value]]) -> Option<Self> {
        let mut items = lists.iter().flat_map(|list| list.iter());
        match place.list() {
            ListKind::Atomic => None,
            ListKind::Set => Some(Self::Whole),
            ListKind::Map(keys) => items.all(Value::is_object).then(|| Self::Fields(keys.into())),
            ListKind::Guess => {
                let by_name = || Self::Fields(vec![Key { name: "name".into(), default: None }].into());
                (items.next().is_some() && lists.iter().all(|list| are_named(list))).then(by_name)
            }
        }
    }

    /// The step of a path to `item`; `None` for a member of a set, which has no place of its own.
    pub(super) fn step(&self, item: &Value) -> Option<Step> {
        match self {
            Self::Whole => None,
            Self::Fields(keys) => {
                let key = |key: &Key| Some((key.name.clone(), item.get(&*key.name).or(key.default.as_ref())?.clone()));
                Some(Step::Item(keys.iter().filter_map(key).collect()))
            }
        }
    }

    /// Whether Git does not tell what tells the items of this list apart.
    pub(super) fn hidden_in(&self, declared: &[Value]) -> bool {
        declared.iter().any(|item| match self {
            Self::Whole => is_hidden(item),
            Self::Fields(keys) => keys.iter().any(|key| item.get(&*key.name).is_some_and(is_hidden)),
        })
    }

    fn text(&self, item: &Value) -> String {
        match self {
            Self::Whole => item.to_string(),
            Self::Fields(keys) => {
                let mut text = String::new();
                for key in keys.iter() {
                    let value = item.get(&*key.name).or(key.default.as_ref()).unwrap_or(&Value::Null);
                    text.push_str(&value.to_string());
                    text.push('\n');
                }
                text
            }
        }
    }
}

impl<'v> Items<'v> {
    pub(super) fn of(list: &'v [Value], keys: &Keys<'_>) -> Self {
        let mut seen: HashMap<String, usize> = HashMap::with_capacity(list.len());
        let mut order = Vec::with_capacity(list.len());
        let mut has_twins = false;
        for item in list {
            let text = keys.text(item);
            let before = seen.entry(text.clone()).or_default();
            order.push((Id(text, *before), item));
            has_twins |= *before > 0;
            *before += 1;
        }
        let by_id = order.iter().cloned().collect();
        Self { order, has_twins, by_id }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Id, &'v Value)> {
        self.order.iter().map(|(id, item)| (id, *item))
    }

    pub(super) fn get(&self, id: &Id) -> Option<&'v Value> {
        self.by_id.get(id).copied()
    }

    /// The items with the same keys as `id`, where there are several.
    pub(super) fn twins(&self, id: &Id) -> Vec<&'v Value> {
        if !self.has_twins {
            return Vec::new();
        }
        let twins: Vec<_> = (0..MAX_TWINS).map_while(|n| self.get(&Id(id.0.clone(), n))).collect();
        if twins.len() > 1 { twins } else { Vec::new() }
    }

    /// The first item with the same keys as `id`.
    pub(super) fn first(&self, id: &Id) -> Option<&'v Value> {
        self.get(&Id(id.0.clone(), 0))
    }

    /// The identities of all items of all `lists`, each once, in their order.
    pub(super) fn union<'a>(lists: &[&'a Self]) -> Vec<&'a Id> {
        let mut seen = HashSet::new();
        lists.iter().flat_map(|list| list.order.iter().map(|(id, _)| id)).filter(|id| seen.insert(*id)).collect()
    }
}

fn are_named(list: &[Value]) -> bool {
    let mut names = HashSet::with_capacity(list.len());
    list.iter().all(|item| item.get("name").and_then(Value::as_str).is_some_and(|name| names.insert(name)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{builtin, unknown};
    use super::*;

    #[test]
    fn items_of_unknown_lists_are_told_apart_by_names_of_their_own() {
        for (lists, keyed) in [
            ([json!([{"name": "a"}]), json!([])], true),
            ([json!([{"name": "a"}, {"name": "b"}]), json!([{"name": "b"}])], true),
            ([json!([{"name": "a"}, {"name": "a"}]), json!([])], false),
            ([json!([{"name": "a"}]), json!([{"id": "a"}])], false),
            ([json!([{"name": 1}]), json!([])], false),
            ([json!(["a"]), json!([])], false),
            ([json!([]), json!([])], false),
        ] {
            let [a, b] = lists.each_ref().map(|list| list.as_array().unwrap().as_slice());
            assert_eq!(Keys::of(unknown(), &[a, b]).is_some(), keyed, "{lists:?}");
        }
    }

    #[test]
    fn a_key_that_is_left_out_has_its_default() {
        let ports = builtin("", "v1", "Service").unwrap().field("spec").field("ports");
        let (short, full) =
            ([json!({"port": 80})], [json!({"port": 80, "protocol": "TCP"}), json!({"port": 80, "protocol": "UDP"})]);
        let keys = Keys::of(ports, &[&short, &full]).unwrap();
        let (short, full) = (Items::of(&short, &keys), Items::of(&full, &keys));
        assert_eq!(Items::union(&[&short, &full]).len(), 2);
        let names = |items: &Items<'_>| items.iter().map(|(_, item)| keys.step(item)).collect::<Vec<_>>();
        assert_eq!(names(&short)[0], names(&full)[0]);
    }

    #[test]
    fn items_with_the_same_keys_are_twins() {
        let env = [json!({"name": "A", "value": 1}), json!({"name": "B"}), json!({"name": "A", "value": 2})];
        let keys = Keys::Fields(vec![Key { name: "name".into(), default: None }].into());
        let items = Items::of(&env, &keys);
        let twins: Vec<_> = items.iter().map(|(id, _)| items.twins(id).len()).collect();
        assert_eq!(twins, [2, 0, 2]);
        assert_eq!(Items::union(&[&items, &items]).len(), 3);
    }
}
