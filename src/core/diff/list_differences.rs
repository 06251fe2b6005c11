//! The part of the walk that compares lists: keyed lists item by item, sets and
//! atomic lists as one value.

use std::cell::Cell;
use std::collections::HashSet;

use serde_json::Value;

use super::difference::{ChangeKind, DifferenceRef};
use super::differences::Walk;
use super::equal::{KnownUnequal, matches_declared, values_equal};
use super::items::{ItemIndex, ItemKeys, order_counts};
use super::opaque::contains_opaque;
use super::schema::{ListOrder, SchemaRef};

impl Walk<'_> {
    /// Compares lists whose items have keys: item with item.
    pub(super) fn compare_keyed_list(
        &mut self,
        keys: &ItemKeys<'_>,
        declared: &[Value],
        old: Option<&[Value]>,
        new: &[Value],
        schema: SchemaRef<'_>,
    ) {
        let (git, written, found_before) = (declared, new, self.reported);
        let [declared, old, new] = [declared, old.unwrap_or_default(), new].map(|list| ItemIndex::of(list, keys));
        for (id, index) in ItemIndex::union(&[&declared, &new, &old]) {
            let (declared_item, old_item, new_item) = (declared.get(id), old.get(id), new.get(id));
            // Git has several items with these keys (a variable named twice):
            // tools drop one of them, or swap them.
            let duplicates = declared.duplicates(id);
            let is_one_of_them = match new_item {
                Some(item) => duplicates.iter().any(|duplicate| values_equal(duplicate, item, schema.items())),
                None => new.first(id).is_some(),
            };
            if !duplicates.is_empty() && is_one_of_them {
                continue;
            }
            let item = declared_item.or(new_item).or(old_item);
            let Some(element) = item.and_then(|item| keys.path_element(item, Some(index))) else { continue };
            self.descend(element, |walk| walk.compare(declared_item, old_item, new_item, schema.items()));
        }
        let is_turned_round =
            order_counts(schema, git) && !new.is_in_order_of(&declared) && !new.has_order_of(&old, &declared);
        // Where an item itself differs, that is named.
        let is_as_written = self.reported == found_before;
        if is_turned_round || (is_as_written && Self::overrides_another(&declared, &old, &new, schema)) {
            self.report(ChangeKind::Changed, Some(&written.into()), Some(&git.into()));
        }
    }

    /// Whether the write makes another one of several items with the same keys the last one,
    /// in a list where the last one counts.
    fn overrides_another(
        declared: &ItemIndex<'_>,
        old: &ItemIndex<'_>,
        new: &ItemIndex<'_>,
        schema: SchemaRef<'_>,
    ) -> bool {
        if schema.order() != ListOrder::CountsForReferences {
            return false;
        }
        let last_in_git = declared.last_of_duplicates();
        let keys = last_in_git.keys().copied().collect();
        let [old, new] = [old, new].map(|items| items.last_of(&keys));
        let is_as_before =
            |key: &str, last: &Value| old.get(key).is_some_and(|before| values_equal(last, before, schema.items()));
        last_in_git.iter().any(|(key, item)| {
            new.get(key).is_some_and(|last| !matches_declared(item, last, schema.items()) && !is_as_before(key, last))
        })
    }

    /// Compares sets: one value, whatever the order of its members.
    pub(super) fn compare_set(
        &mut self,
        declared: &[Value],
        old: Option<&[Value]>,
        new: &[Value],
        schema: SchemaRef<'_>,
    ) {
        let [declared_items, old_items, new_items] =
            [declared, old.unwrap_or_default(), new].map(|list| ItemIndex::of(list, &ItemKeys::WholeItem));
        let is_removed = |id| new_items.get(id).is_none() && (self.creating || old_items.get(id).is_some());
        let is_added = |id| declared_items.get(id).is_none() && old_items.get(id).is_none();
        let is_declared_empty = declared.is_empty();
        let (new, declared) = (Value::from(new), Value::from(declared));
        let change = if declared_items.iter().any(|(id, _)| is_removed(id)) {
            ChangeKind::RemovedDeclared
        } else if new_items.iter().any(|(id, _)| is_added(id)) {
            if is_declared_empty { ChangeKind::Filled } else { ChangeKind::Extra }
        } else if !values_equal(&new, &declared, schema) {
            ChangeKind::RemovedExtra
        } else {
            return;
        };
        self.report(change, Some(&new), Some(&declared));
    }

    /// The worst change inside an atomic list whose items all have what Git
    /// says of them: what Git leaves out of an item is the server's, what the
    /// write adds to it is an extra. The list is one value, so it is reported once.
    pub(super) fn worst_change_inside(
        &self,
        declared: &[Value],
        old: Option<&[Value]>,
        new: &[Value],
        schema: SchemaRef<'_>,
    ) -> Option<ChangeKind> {
        let old_by_index = old.filter(|old| old.len() == new.len());
        let old_items: HashSet<_> = old.unwrap_or_default().iter().map(Value::to_string).collect();
        let worst_first = [
            ChangeKind::RemovedDeclared,
            ChangeKind::Changed,
            ChangeKind::Opaque,
            ChangeKind::Extra,
            ChangeKind::Filled,
            ChangeKind::Extended,
        ];
        let is_certain = Cell::new(false);
        let mut worst = worst_first.len();
        let mut each = |difference: DifferenceRef<'_>| {
            if is_certain.get() || difference.change == ChangeKind::Opaque {
                let rank = worst_first.iter().position(|change| *change == difference.change);
                worst = worst.min(rank.unwrap_or(worst));
            }
        };
        let mut inside = Walk {
            creating: false,
            allocations: self.allocations,
            path: self.path.clone(),
            each: &mut each,
            reported: 0,
            unequal: KnownUnequal::default(),
        };
        for (index, (declared_item, new_item)) in declared.iter().zip(new).enumerate() {
            // An item that only moves up because another one was removed is not changed by this write.
            if old_items.contains(&new_item.to_string()) {
                continue;
            }
            let old_item = old_by_index.map(|old| &old[index]);
            // Without a schema a server's default in a restored item cannot be told from an extra.
            is_certain.set(old_item.is_some() || !schema.items().is_unknown());
            if is_certain.get() || contains_opaque(declared_item) {
                inside.compare(Some(declared_item), old_item, Some(new_item), schema.items());
            }
        }
        worst_first.get(worst).copied()
    }
}
