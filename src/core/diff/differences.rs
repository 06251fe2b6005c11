//! The walk over an object: which fields one write changes, and how each of
//! these changes relates to what Git declares.

use serde_json::{Map, Value};

use super::difference::{ChangeKind, Difference, DifferenceRef};
use super::equal::{KnownUnequal, is_zero_value, matches_declared, values_equal};
use super::items::ItemKeys;
use super::maps::{is_flat, names_of, only_removes};
use super::opaque::{contains_opaque, fits_opaque, is_opaque};
use super::path::{Path, PathElement};
use super::schema::{DefaultValue, SchemaRef};
use super::server_defaults::{
    Allocations, is_all_defaults, is_conditional_default, is_left_to_server, is_server_default,
};
use super::zero_values::{is_back_to_zero, is_pause, is_stored_when_zero, is_true_by_default, is_value_when_empty};

/// All that [`each_difference`] finds. Who writes decides how many there are.
pub fn differences(
    declared: Option<&Value>,
    old: Option<&Value>,
    new: Option<&Value>,
    schema: SchemaRef<'_>,
    path: &Path,
    allocations: Allocations,
) -> Vec<Difference> {
    let mut found = Vec::new();
    each_difference(declared, old, new, schema, path, allocations, &mut |difference| found.push(difference.to_owned()));
    found
}

/// Compares what a write does between `old` and `new` with `declared`: calls `each` for each
/// field that the write changes and that does not have Git's value afterwards, in the order
/// of the paths. Nothing is kept or copied of them.
///
/// `path` is the path of the three values in their objects. Without `old` (a
/// CREATE) everything that Git declares must be in `new`; with it, only what
/// the write itself changes counts.
pub fn each_difference(
    declared: Option<&Value>,
    old: Option<&Value>,
    new: Option<&Value>,
    schema: SchemaRef<'_>,
    path: &Path,
    allocations: Allocations,
    each: &mut dyn FnMut(DifferenceRef<'_>),
) {
    let path = path.clone();
    let unequal = KnownUnequal::default();
    let mut walk = Walk { creating: old.is_none(), allocations, path, each, reported: 0, unequal };
    walk.compare(declared, old, new, schema);
}

/// The state of a walk: `path` is where it is.
pub(super) struct Walk<'e> {
    pub(super) creating: bool,
    pub(super) allocations: Allocations,
    pub(super) path: Path,
    /// What is done with each difference.
    pub(super) each: &'e mut dyn FnMut(DifferenceRef<'_>),
    /// How many there were.
    pub(super) reported: usize,
    /// Pairs of `old` and `new`.
    pub(super) unequal: KnownUnequal,
}

impl Walk<'_> {
    /// Compares the values of one field.
    pub(super) fn compare(
        &mut self,
        declared: Option<&Value>,
        old: Option<&Value>,
        new: Option<&Value>,
        schema: SchemaRef<'_>,
    ) {
        // `null` in Git is no value: some clients leave such a field out, and some send an empty value.
        if declared.is_some_and(Value::is_null) && new.is_some_and(is_zero_value) {
            return;
        }
        let [declared, old, new] = [declared, old, new].map(|value| value.filter(|value| !value.is_null()));
        match (declared, old, new) {
            (None, None, None) => {}
            // The write does not change this field.
            (_, Some(old), Some(new)) if self.unequal.values_equal(old, new, schema) => {}
            (_, None, None) if !self.creating => {}
            (None, Some(_), None) => self.report(ChangeKind::RemovedExtra, None, None),
            (None, old, Some(new)) => self.compare_undeclared(old, new, schema),
            (Some(declared), old, None) => self.compare_removed(declared, old, schema),
            (Some(declared), old, Some(new)) => self.compare_present(declared, old, new, schema),
        }
    }

    /// Reports a difference at the current path.
    pub(super) fn report(&mut self, change: ChangeKind, new: Option<&Value>, declared: Option<&Value>) {
        self.reported += 1;
        (self.each)(DifferenceRef { path: &self.path, change, new, declared });
    }

    /// Runs `walk` one path element further down.
    pub(super) fn descend(&mut self, element: PathElement, walk: impl FnOnce(&mut Self)) {
        self.path.push(element);
        walk(self);
        self.path.pop();
    }

    /// Git declares the field, and the write leaves it out.
    fn compare_removed(&mut self, declared: &Value, old: Option<&Value>, schema: SchemaRef<'_>) {
        let is_removed = self.is_removed(self.path.last_field(), declared, old, schema);
        match declared {
            // A map of plain values is reported value by value, as it was written.
            Value::Object(fields) if !self.path.ends_at_item() && is_flat(fields) && !schema.is_atomic_map() => {
                for (name, value) in fields {
                    let old_value = old.and_then(|old| old.get(name));
                    let is_missing_zero = self.creating && self.stores_zero(name, value, schema);
                    if is_missing_zero || self.is_removed(Some(name), value, old_value, schema.field(name)) {
                        self.descend(PathElement::Field(name.as_str().into()), |walk| {
                            walk.report(ChangeKind::RemovedDeclared, None, Some(value));
                        });
                    }
                }
                if fields.is_empty() && is_removed {
                    self.report(ChangeKind::RemovedDeclared, None, Some(declared));
                }
            }
            // A keyed list is reported item by item.
            Value::Array(items) if !items.is_empty() => {
                let old_items = old.and_then(Value::as_array).map(Vec::as_slice);
                match ItemKeys::of(schema, &[items, old_items.unwrap_or_default()]) {
                    Some(keys @ ItemKeys::Fields(_)) => self.compare_keyed_list(&keys, items, old_items, &[], schema),
                    _ if is_removed => self.report(ChangeKind::RemovedDeclared, None, Some(declared)),
                    _ => {}
                }
            }
            _ if is_removed => self.report(ChangeKind::RemovedDeclared, None, Some(declared)),
            _ => {}
        }
    }

    /// Whether leaving the declared field `name` out removes it (or, in a
    /// CREATE, makes it missing).
    fn is_removed(&self, name: Option<&str>, declared: &Value, old: Option<&Value>, schema: SchemaRef<'_>) -> bool {
        match old {
            // A list without items is the same, whether it is written or not.
            Some(Value::Array(old)) if old.is_empty() => false,
            // The server never stored what it drops (`false`, `{}`); a switch is off without it, too.
            Some(old) if is_zero_value(declared) => values_equal(declared, old, schema) && !name.is_some_and(is_pause),
            Some(_) => true,
            None => self.creating && (!is_zero_value(declared) || is_true_by_default(name)),
        }
    }

    /// Git declares the field, and the write gives it a value.
    fn compare_present(&mut self, declared: &Value, old: Option<&Value>, new: &Value, schema: SchemaRef<'_>) {
        match (declared, new) {
            (_, Value::Object(_)) if self.is_value_when_empty(declared) && !is_zero_value(new) => {
                self.report(ChangeKind::Changed, Some(new), Some(declared));
            }
            (Value::Object(_), Value::Object(_)) if schema.is_atomic_map() => {
                self.compare_atomic_map(declared, old, new, schema);
            }
            (Value::Object(declared_fields), Value::Object(new_fields)) => {
                self.compare_fields(Some(declared_fields), old.and_then(Value::as_object), new_fields, schema);
            }
            (Value::Array(declared_items), Value::Array(new_items)) => {
                let old_items = old.and_then(Value::as_array).map(Vec::as_slice);
                match ItemKeys::of(schema, &[declared_items, old_items.unwrap_or_default(), new_items]) {
                    // The keys of the items are opaque in Git.
                    Some(keys) if keys.are_opaque_in(declared_items) && !values_equal(declared, new, schema) => {
                        self.report(ChangeKind::Opaque, Some(new), None);
                    }
                    Some(ItemKeys::WholeItem) => self.compare_set(declared_items, old_items, new_items, schema),
                    Some(keys) => self.compare_keyed_list(&keys, declared_items, old_items, new_items, schema),
                    None if declared_items.is_empty() && !new_items.is_empty() => self.report_changed(declared, new),
                    None if matches_declared(declared, new, schema) => {
                        if let Some(change) = self.worst_change_inside(declared_items, old_items, new_items, schema) {
                            // An opaque value is not shown.
                            let shown = (change != ChangeKind::Opaque).then_some(declared);
                            self.report(change, Some(new), shown);
                        }
                    }
                    None => self.report_changed(declared, new),
                }
            }
            _ if values_equal(declared, new, schema) => {}
            (Value::String(text), _) if is_opaque(text) => self.compare_opaque(text, old, new, schema),
            _ => self.report_changed(declared, new),
        }
    }

    /// Git hides the value, or a part of it.
    fn compare_opaque(&mut self, text: &str, old: Option<&Value>, new: &Value, schema: SchemaRef<'_>) {
        if !fits_opaque(text, new, schema) {
            self.report(ChangeKind::Changed, Some(new), Some(&text.into()));
        } else if old.is_none_or(|old| fits_opaque(text, old, schema)) {
            self.report(ChangeKind::Opaque, Some(new), None);
        }
    }

    /// Reports a declared field that gets another value.
    fn report_changed(&mut self, declared: &Value, new: &Value) {
        let is_empty = match declared {
            _ if self.is_value_when_empty(declared) => false,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(fields) => fields.is_empty(),
            _ => false,
        };
        // Charts carry all sorts of placeholders for what a CA injector fills in.
        let is_injected = self.path.last_field() == Some("caBundle");
        let change = if is_empty || is_injected { ChangeKind::Filled } else { ChangeKind::Changed };
        self.report(change, Some(new), Some(declared));
    }

    /// Whether Git's value at the current path is empty, and is meant so.
    fn is_value_when_empty(&self, declared: &Value) -> bool {
        self.path.last_field().is_some_and(|name| is_value_when_empty(name, declared))
    }

    /// Whether a declared zero in the field `name` of the value at the current path is stored like any other value.
    fn stores_zero(&self, name: &str, declared: &Value, schema: SchemaRef<'_>) -> bool {
        // What is empty is an entry of a map like any other.
        let is_entry = (schema.is_map() || self.path.ends_at_data_map()) && is_empty_scalar(declared);
        is_entry || is_stored_when_zero(name, declared, schema)
    }

    fn compare_fields(
        &mut self,
        declared: Option<&Map<String, Value>>,
        old: Option<&Map<String, Value>>,
        new: &Map<String, Value>,
        schema: SchemaRef<'_>,
    ) {
        let in_git = |name: &str| declared.is_some_and(|fields| fields.get(name).is_some_and(|value| !value.is_null()));
        // Of two fields that say the same thing, the one that Git does not write is not compared.
        let is_alias = |name: &str| {
            schema.aliases().iter().any(|(alias, main)| {
                (*alias == name && !in_git(alias)) || (*main == name && !in_git(main) && in_git(alias))
            })
        };
        for name in names_of([declared, old, Some(new)]) {
            let declared_value = declared.and_then(|fields| fields.get(name));
            let old_value = old.and_then(|fields| fields.get(name)).filter(|value| !value.is_null());
            let new_value = new.get(name);
            let default = schema.default_of(name);
            // Most fields are as they were: of them nothing more is asked.
            if let (Some(old), Some(new)) = (old_value, new_value)
                && default != Some(&DefaultValue::PolicyTypes)
                && self.is_unchanged(old, new, schema.field(name))
            {
                continue;
            }
            let is_open = match declared_value {
                None | Some(Value::Null) => true,
                Some(value) => is_left_to_server(name, value, default),
            };
            if is_alias(name)
                || (is_open
                    && !is_conditional_default(name, self.creating || old_value.is_some())
                    && is_server_default(name, old_value, new_value, new, schema, self.allocations))
            {
                continue;
            }
            // Fewer policy types are no return to Git's state: the server itself would write all of them.
            let has_other_policy_types =
                declared_value.is_none() && default == Some(&DefaultValue::PolicyTypes) && old_value != new_value;
            let is_missing_zero =
                self.creating && declared_value.is_some_and(|declared| self.stores_zero(name, declared, schema));
            self.descend(PathElement::Field(name.into()), |walk| match new_value {
                None if is_missing_zero => walk.report(ChangeKind::RemovedDeclared, None, declared_value),
                Some(value) if has_other_policy_types => walk.report(ChangeKind::Extra, Some(value), None),
                Some(value) if !in_git(name) && is_back_to_zero(name, old_value, value, default, schema) => {
                    if old_value != Some(value) {
                        walk.report(ChangeKind::RemovedExtra, Some(value), None);
                    }
                }
                _ => walk.compare(declared_value, old_value, new_value, schema.field(name)),
            });
        }
    }

    /// Whether the write leaves a field as it was, so that nothing can be said of it.
    fn is_unchanged(&mut self, old: &Value, new: &Value, schema: SchemaRef<'_>) -> bool {
        match (old, new) {
            (Value::Object(_), Value::Object(_)) | (Value::Array(_), Value::Array(_)) => {
                self.unequal.values_equal(old, new, schema)
            }
            _ => old == new,
        }
    }

    fn compare_atomic_map(&mut self, declared: &Value, old: Option<&Value>, new: &Value, schema: SchemaRef<'_>) {
        if !matches_declared(declared, new, schema) {
            self.report_changed(declared, new);
        } else if values_equal(declared, new, schema) {
            // All is as Git has it, opaque values too.
        } else if contains_opaque(declared) {
            self.report(ChangeKind::Opaque, Some(new), None);
        } else if !only_removes(old, new) {
            self.report(ChangeKind::Extended, Some(new), Some(declared));
        }
    }

    /// Git does not declare the field, and the write adds or changes it.
    fn compare_undeclared(&mut self, old: Option<&Value>, new: &Value, schema: SchemaRef<'_>) {
        match new {
            Value::Object(fields) if fields.is_empty() && old.is_none() => {
                // To Kubernetes a selector that is there and empty selects everything;
                // a map of data without a key is the same as none.
                if !self.path.ends_at_data_map() {
                    self.report(ChangeKind::Extra, Some(new), None);
                }
            }
            Value::Array(items) if items.is_empty() => {}
            Value::Object(fields) if !schema.is_atomic_map() => match old {
                Some(Value::Object(old_fields)) => self.compare_fields(None, Some(old_fields), fields, schema),
                None if is_flat(fields) && !self.path.ends_at_item() => self.compare_fields(None, None, fields, schema),
                None if is_all_defaults(new, schema, self.allocations) => {}
                _ => self.report(ChangeKind::Extra, Some(new), None),
            },
            Value::Array(items) => {
                let old_items = old.and_then(Value::as_array).map(Vec::as_slice);
                match ItemKeys::of(schema, &[old_items.unwrap_or_default(), items]) {
                    Some(keys @ ItemKeys::Fields(_)) => self.compare_keyed_list(&keys, &[], old_items, items, schema),
                    Some(keys) if keys.are_subset(items, old_items.unwrap_or_default()) => {
                        self.report(ChangeKind::RemovedExtra, Some(new), None);
                    }
                    _ if only_removes(old, new) => self.report(ChangeKind::RemovedExtra, Some(new), None),
                    _ => self.report(ChangeKind::Extra, Some(new), None),
                }
            }
            _ if only_removes(old, new) => self.report(ChangeKind::RemovedExtra, Some(new), None),
            _ => self.report(ChangeKind::Extra, Some(new), None),
        }
    }
}

/// Whether a value is `0`, `""` or `false`.
fn is_empty_scalar(value: &Value) -> bool {
    is_zero_value(value) && !matches!(value, Value::Null | Value::Array(_) | Value::Object(_))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{OPAQUE, unknown_schema};
    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "cases are written as `json!` values")]
    fn changes(declared: Value, old: Option<Value>, new: Value) -> Vec<(String, ChangeKind)> {
        let found = differences(
            Some(&declared),
            old.as_ref(),
            Some(&new),
            unknown_schema(),
            &Path::default(),
            Allocations::MaybeServer,
        );
        found.into_iter().map(|difference| (difference.path.to_string(), difference.change)).collect()
    }

    #[test]
    fn each_change_is_of_one_kind_and_its_reverse_is_no_drift() {
        for (declared, old, new, path, change) in [
            (json!({"a": 1}), json!({"a": 1}), json!({"a": 2}), "a", ChangeKind::Changed),
            (json!({"a": 1}), json!({"a": 1}), json!({}), "a", ChangeKind::RemovedDeclared),
            (json!({}), json!({"a": 1}), json!({}), "a", ChangeKind::RemovedExtra),
            (json!({}), json!({}), json!({"a": 1}), "a", ChangeKind::Extra),
            (json!({"a": ""}), json!({}), json!({"a": "b"}), "a", ChangeKind::Filled),
            (json!({"a": OPAQUE}), json!({"a": "b"}), json!({"a": "c"}), "a", ChangeKind::Opaque),
            (json!({"a": [OPAQUE]}), json!({"a": ["b"]}), json!({"a": ["c"]}), "a", ChangeKind::Opaque),
            (json!({"a": {"b": 1}}), json!({"a": {"b": 1}}), json!({"a": {}}), "a.b", ChangeKind::RemovedDeclared),
        ] {
            let expected = vec![(path.to_owned(), change)];
            let found = changes(declared.clone(), Some(old.clone()), new.clone());
            assert_eq!(found, expected, "{declared}: {old} to {new}");
            if change != ChangeKind::RemovedExtra && change != ChangeKind::Opaque {
                let reverse = changes(declared.clone(), Some(new), old.clone());
                let only_removed = reverse.iter().all(|(_, change)| *change == ChangeKind::RemovedExtra);
                assert!(only_removed, "{declared}: back to {old}: {reverse:?}");
            }
        }
    }

    #[test]
    fn a_declared_null_equals_a_zero_value() {
        assert!(changes(json!({"a": null}), Some(json!({})), json!({"a": ""})).is_empty());
    }

    #[test]
    fn a_create_must_bring_every_declared_field() {
        assert_eq!(changes(json!({"a": 1}), None, json!({})), [("a".to_owned(), ChangeKind::RemovedDeclared)]);
    }
}
