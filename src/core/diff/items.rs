//! The items of keyed lists and sets: which item is which, by its keys or, in a
//! set, by its whole value.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::opaque::is_opaque_value;
use super::path::{ItemPosition, PathElement};
use super::schema::{ListKey, ListKind, ListOrder, SchemaRef};

/// What identifies the items of a list.
pub(crate) enum ItemKeys<'s> {
    /// These fields of each item.
    Fields(Cow<'s, [ListKey]>),
    /// The whole item: a set.
    WholeItem,
}

/// The identity of one item: its keys as text, and how many items before it
/// have the same keys (`env` may name a variable twice).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ItemId(String, usize);

/// The items of a list, in order and by identity.
pub(crate) struct ItemIndex<'v> {
    order: Vec<(ItemId, &'v Value)>,
    has_duplicates: bool,
    by_id: HashMap<ItemId, &'v Value>,
}

/// How many items with the same keys are compared with each other: nobody writes
/// more by mistake, and a long list of duplicates must not cost quadratic time.
const MAX_DUPLICATES: usize = 8;

impl<'s> ItemKeys<'s> {
    /// What identifies the items of lists with this schema; `None` for an atomic
    /// list. Without a schema it is inferred from the items of all `lists`.
    pub(crate) fn of(schema: SchemaRef<'s>, lists: &[&[Value]]) -> Option<Self> {
        let mut items = lists.iter().flat_map(|list| list.iter());
        match schema.list() {
            ListKind::Set => Some(Self::WholeItem),
            ListKind::Map(keys) => items.all(Value::is_object).then(|| Self::Fields(keys.into())),
            ListKind::Infer if items.next().is_some() && lists.iter().all(|list| have_unique_names(list)) => {
                Some(Self::Fields(vec![ListKey { name: "name".into(), default: None }].into()))
            }
            ListKind::Atomic | ListKind::Infer => None,
        }
    }

    /// The path element of `item`, which stands at `index`; `None` for a member of a set, which has no path of its own.
    pub(crate) fn path_element(&self, item: &Value, index: Option<usize>) -> Option<PathElement> {
        match self {
            Self::WholeItem => None,
            Self::Fields(keys) => {
                let name_and_value = |key: &ListKey| {
                    let value = item.get(&*key.name).or(key.default.as_ref())?;
                    Some((key.name.clone(), value.clone()))
                };
                let keys = keys.iter().filter_map(name_and_value).collect();
                Some(PathElement::Item(ItemPosition::new(keys, index)))
            }
        }
    }

    /// Whether what identifies the items of this list is opaque in Git.
    pub(super) fn are_opaque_in(&self, declared: &[Value]) -> bool {
        declared.iter().any(|item| match self {
            Self::WholeItem => is_opaque_value(item),
            Self::Fields(keys) => keys.iter().any(|key| item.get(&*key.name).is_some_and(is_opaque_value)),
        })
    }

    /// Whether every item of `new` is also in `old`.
    pub(super) fn are_subset(&self, new: &[Value], old: &[Value]) -> bool {
        let old = ItemIndex::of(old, self);
        ItemIndex::of(new, self).iter().all(|(id, _)| old.get(id).is_some())
    }

    /// The identity of each item of a list, in its order.
    pub(crate) fn ids(&self, list: &[Value]) -> Vec<ItemId> {
        ItemIndex::of(list, self).order.into_iter().map(|(id, _)| id).collect()
    }

    /// The keys of `item` as one text.
    pub(crate) fn text(&self, item: &Value) -> String {
        match self {
            Self::WholeItem => item.to_string(),
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

impl ItemId {
    /// The keys as one text.
    pub(crate) fn keys(&self) -> &str {
        &self.0
    }
}

impl<'v> ItemIndex<'v> {
    /// The items of `list` by these keys.
    pub(crate) fn of(list: &'v [Value], keys: &ItemKeys<'_>) -> Self {
        let mut seen: HashMap<String, usize> = HashMap::with_capacity(list.len());
        let mut order = Vec::with_capacity(list.len());
        let mut has_duplicates = false;
        for item in list {
            let text = keys.text(item);
            let same_before = seen.entry(text.clone()).or_default();
            order.push((ItemId(text, *same_before), item));
            has_duplicates |= *same_before > 0;
            *same_before += 1;
        }
        let by_id = order.iter().cloned().collect();
        Self { order, has_duplicates, by_id }
    }

    /// Every item with its identity, in the order of the list.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&ItemId, &'v Value)> {
        self.order.iter().map(|(id, item)| (id, *item))
    }

    /// The item of this identity.
    pub(crate) fn get(&self, id: &ItemId) -> Option<&'v Value> {
        self.by_id.get(id).copied()
    }

    /// The items with the same keys as `id` where there are several; else none.
    pub(super) fn duplicates(&self, id: &ItemId) -> Vec<&'v Value> {
        if !self.has_duplicates {
            return Vec::new();
        }
        let duplicates: Vec<_> = (0..MAX_DUPLICATES).map_while(|n| self.get(&ItemId(id.0.clone(), n))).collect();
        if duplicates.len() > 1 { duplicates } else { Vec::new() }
    }

    /// Of each key that several items have, the last one, which counts where only one can.
    pub(super) fn last_of_duplicates(&self) -> HashMap<&str, &'v Value> {
        if !self.has_duplicates {
            return HashMap::new();
        }
        let twice: HashSet<_> = self.order.iter().filter(|(id, _)| id.1 > 0).map(|(id, _)| id.keys()).collect();
        self.last_of(&twice)
    }

    /// The last item of each of these keys.
    pub(super) fn last_of<'a>(&'a self, keys: &HashSet<&str>) -> HashMap<&'a str, &'v Value> {
        let wanted = self.order.iter().filter(|(id, _)| keys.contains(id.keys()));
        wanted.map(|(id, item)| (id.keys(), *item)).collect()
    }

    /// Whether those items of `declared` that are here stand in the order that they have there.
    pub(super) fn is_in_order_of(&self, declared: &Self) -> bool {
        self.ids_of(declared).eq(declared.ids_of(self))
    }

    /// Whether this and `old` have the items of `declared` that are here in the same order.
    pub(super) fn has_order_of(&self, old: &Self, declared: &Self) -> bool {
        let here = self.ids_of(declared);
        here.eq(old.ids_of(declared).filter(|id| self.get(id).is_some()))
    }

    /// The identities of the items here that `other` has too, in the order of this list.
    fn ids_of<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a ItemId> {
        self.order.iter().map(|(id, _)| id).filter(|id| other.get(id).is_some())
    }

    /// The first item with the same keys as `id`.
    pub(super) fn first(&self, id: &ItemId) -> Option<&'v Value> {
        self.get(&ItemId(id.0.clone(), 0))
    }

    /// The identities of all items of all `lists`, each once, in their order, and where each
    /// stands in the first of the lists that has it.
    pub(super) fn union<'a>(lists: &[&'a Self]) -> Vec<(&'a ItemId, usize)> {
        let mut seen = HashSet::new();
        let of_list = |list: &&'a Self| list.order.iter().enumerate().map(|(index, (id, _))| (id, index));
        lists.iter().flat_map(of_list).filter(|(id, _)| seen.insert(*id)).collect()
    }
}

/// Whether the order of these items means something.
pub(super) fn order_counts(schema: SchemaRef<'_>, items: &[Value]) -> bool {
    match schema.order() {
        ListOrder::Free => false,
        ListOrder::Counts => true,
        ListOrder::CountsForReferences => {
            items.iter().any(|item| item.get("value").and_then(Value::as_str).is_some_and(has_reference))
        }
    }
}

/// Whether a variable's value refers to another one: `$(NAME)`, but not `$$(NAME)`
/// (<https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/>).
fn has_reference(value: &str) -> bool {
    // What is left between pairs of `$` is no escape.
    value.split("$$").any(|part| part.contains("$("))
}

/// Whether every item has a `name` that no other item has.
fn have_unique_names(list: &[Value]) -> bool {
    let mut names = HashSet::with_capacity(list.len());
    list.iter().all(|item| item.get("name").and_then(Value::as_str).is_some_and(|name| names.insert(name)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{builtin_schema, unknown_schema};
    use super::*;

    #[test]
    fn without_a_schema_items_are_keyed_by_name_where_every_name_is_unique() {
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
            assert_eq!(ItemKeys::of(unknown_schema(), &[a, b]).is_some(), keyed, "{lists:?}");
        }
    }

    #[test]
    fn a_key_that_is_left_out_counts_as_its_default() {
        let ports = builtin_schema("", "v1", "Service").unwrap().field("spec").field("ports");
        let (short, full) =
            ([json!({"port": 80})], [json!({"port": 80, "protocol": "TCP"}), json!({"port": 80, "protocol": "UDP"})]);
        let keys = ItemKeys::of(ports, &[&short, &full]).unwrap();
        let (short, full) = (ItemIndex::of(&short, &keys), ItemIndex::of(&full, &keys));
        assert_eq!(ItemIndex::union(&[&short, &full]).len(), 2);
        let names =
            |items: &ItemIndex<'_>| items.iter().map(|(_, item)| keys.path_element(item, None)).collect::<Vec<_>>();
        assert_eq!(names(&short)[0], names(&full)[0]);
    }

    #[test]
    fn items_with_the_same_keys_are_found_as_duplicates() {
        let env = [json!({"name": "A", "value": 1}), json!({"name": "B"}), json!({"name": "A", "value": 2})];
        let keys = ItemKeys::Fields(vec![ListKey { name: "name".into(), default: None }].into());
        let items = ItemIndex::of(&env, &keys);
        let duplicates: Vec<_> = items.iter().map(|(id, _)| items.duplicates(id).len()).collect();
        assert_eq!(duplicates, [2, 0, 2]);
        assert_eq!(ItemIndex::union(&[&items, &items]).len(), 3);
    }
}
