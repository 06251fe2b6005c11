//! The items of a list that is no single value: told apart by their keys, or,
//! in a set, by themselves.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::opaque::is_hidden;
use super::path::Step;
use super::schema::{Key, ListKind, Place};

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
    by_id: HashMap<Id, &'v Value>,
}

impl<'s> Keys<'s> {
    /// What tells items apart at this place in all of `lists`; `None` for an atomic list.
    pub(super) fn of(place: Place<'s>, lists: &[&[Value]]) -> Option<Self> {
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
        for item in list {
            let text = keys.text(item);
            let before = seen.entry(text.clone()).or_default();
            order.push((Id(text, *before), item));
            *before += 1;
        }
        let by_id = order.iter().cloned().collect();
        Self { order, by_id }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Id, &'v Value)> {
        self.order.iter().map(|(id, item)| (id, *item))
    }

    pub(super) fn get(&self, id: &Id) -> Option<&'v Value> {
        self.by_id.get(id).copied()
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
