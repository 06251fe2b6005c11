//! A set of fields as `fieldsV1` has it: names in names. It is read without a copy of
//! what is written there, for half of an object's text is such sets.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

/// What is owned of one value: the names of what is owned below it, each with the same of that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FieldSet<'m> {
    /// In the order of their names.
    below: Vec<(Cow<'m, str>, FieldSet<'m>)>,
}

impl<'m> FieldSet<'m> {
    /// The set that a value holds; `None` where a part of it is none.
    pub(super) fn of(fields: &'m Map<String, Value>) -> Option<Self> {
        let below = fields.iter().map(|(name, below)| {
            let below = Self::of(below.as_object()?)?;
            Some((Cow::Borrowed(name.as_str()), below))
        });
        Some(Self { below: below.collect::<Option<_>>()? })
    }

    /// What is owned of the field `name`.
    pub(super) fn field(&self, name: &str) -> Option<&Self> {
        let at = self.below.binary_search_by(|(key, _)| compare_with_field(key, name)).ok()?;
        Some(&self.below[at].1)
    }

    /// All names, each with what is owned below it.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Self)> {
        self.below.iter().map(|(name, below)| (&**name, below))
    }
}

/// Compares a name with that of the field `name`, which is `f:NAME`.
fn compare_with_field(key: &str, name: &str) -> Ordering {
    match key.strip_prefix("f:") {
        Some(field) => field.cmp(name),
        None => key.cmp("f:"),
    }
}

impl<'de: 'm, 'm> Deserialize<'de> for FieldSet<'m> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Names<'m>(PhantomData<&'m ()>);

        impl<'de: 'm, 'm> Visitor<'de> for Names<'m> {
            type Value = FieldSet<'m>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a set of fields")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<FieldSet<'m>, M::Error> {
                let mut below: Vec<(Cow<'m, str>, FieldSet<'m>)> = Vec::new();
                let mut is_sorted = true;
                while let Some((Name(name), set)) = map.next_entry()? {
                    is_sorted &= below.last().is_none_or(|(last, _)| *last < name);
                    below.push((name, set));
                }
                if !is_sorted {
                    // Of the same name twice the last one counts.
                    below.reverse();
                    below.sort_by(|(a, _), (b, _)| a.cmp(b));
                    below.dedup_by(|(later, _), (kept, _)| later == kept);
                }
                Ok(FieldSet { below })
            }
        }

        from.deserialize_map(Names(PhantomData))
    }
}

/// A name, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Name<'m>(#[serde(borrow)] Cow<'m, str>);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn sets() -> impl Strategy<Value = Value> {
        let name = prop_oneof![Just("."), Just("f:a"), Just("f:b"), Just("f:"), Just("k:{\"a\":1}"), Just("v:\"x\"")];
        Just(json!({})).prop_recursive(4, 24, 4, move |inner| {
            prop::collection::vec((name.clone(), inner), 0..4)
                .prop_map(|fields| fields.into_iter().map(|(name, set)| (name.to_owned(), set)).collect())
        })
    }

    proptest! {
        #[test]
        fn a_text_and_its_value_are_the_same_set(value in sets(), name in "[ab]?") {
            let text = value.to_string();
            let read: FieldSet<'_> = serde_json::from_str(&text).unwrap();
            let fields = value.as_object().unwrap();
            prop_assert_eq!(&read, &FieldSet::of(fields).unwrap());
            prop_assert_eq!(read.field(&name).is_some(), fields.contains_key(&format!("f:{name}")));
            prop_assert!(read.iter().map(|(name, _)| name).eq(fields.keys()));
        }
    }

    #[test]
    fn of_a_name_twice_the_last_one_counts() {
        let read: FieldSet<'_> = serde_json::from_str(r#"{"f:b":{"f:x":{}},"f:a":{},"f:b":{"f:y":{}}}"#).unwrap();
        let value = json!({"f:a": {}, "f:b": {"f:y": {}}});
        assert_eq!(read, FieldSet::of(value.as_object().unwrap()).unwrap());
        assert!(serde_json::from_str::<FieldSet<'_>>(r#"{"f:a":[]}"#).is_err());
        assert!(FieldSet::of(json!({"f:a": null}).as_object().unwrap()).is_none());
    }
}
