//! Which labels a selector takes
//! (<https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors>).

use serde_json::Value;

/// A selector of labels: all its requirements are to be met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LabelSelector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    Exists(String),
    Missing(String),
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
}

impl LabelSelector {
    /// Reads `a=b,c!=d,e in (f,g),h,!i`.
    ///
    /// # Errors
    ///
    /// The part that is no requirement.
    pub(crate) fn parse(text: &str) -> Result<Self, &str> {
        let parts = split_outside_parentheses(text).into_iter().map(str::trim).filter(|part| !part.is_empty());
        parts.map(|part| Requirement::parse(part).ok_or(part)).collect::<Result<_, _>>().map(Self)
    }

    /// A selector as an object has it: `matchLabels` and `matchExpressions`, or the labels alone, as that of a
    /// `ReplicationController`. `None` where the API server takes none like it.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        let fields = value.as_object()?;
        let is_structured = |field: &Value| field.is_object() || field.is_array();
        let (labels, expressions) = match (fields.get("matchLabels"), fields.get("matchExpressions")) {
            (labels, expressions) if labels.is_some_and(is_structured) || expressions.is_some_and(is_structured) => {
                (labels.and_then(Value::as_object), expressions.and_then(Value::as_array))
            }
            _ => (Some(fields), None),
        };
        let equal = labels.into_iter().flatten().map(|(key, value)| Requirement::equal(key, value));
        let others = expressions.into_iter().flatten().map(Requirement::of_expression);
        equal.chain(others).collect::<Option<_>>().map(Self)
    }

    /// Whether it has no requirement, so that it takes all; a controller with such a one takes none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it takes an object with these labels, a map of texts; others are no labels.
    pub(crate) fn matches(&self, labels: &Value) -> bool {
        self.0.iter().all(|requirement| requirement.is_met(labels))
    }
}

fn split_outside_parentheses(selector: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut depth) = (0, 0_usize);
    for (at, character) in selector.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&selector[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&selector[start..]);
    parts
}

impl Requirement {
    fn equal(key: &str, value: &Value) -> Option<Self> {
        Some(Self::In(key.to_owned(), vec![value.as_str()?.to_owned()]))
    }

    fn of_expression(expression: &Value) -> Option<Self> {
        let key = expression["key"].as_str()?.to_owned();
        let values = || -> Option<Vec<String>> {
            let values = expression["values"].as_array()?.iter();
            values.map(|value| value.as_str().map(str::to_owned)).collect()
        };
        match expression["operator"].as_str()? {
            "In" => Some(Self::In(key, values()?)),
            "NotIn" => Some(Self::NotIn(key, values()?)),
            "Exists" => Some(Self::Exists(key)),
            "DoesNotExist" => Some(Self::Missing(key)),
            _ => None,
        }
    }

    fn parse(part: &str) -> Option<Self> {
        let is_key = |key: &str| !key.is_empty() && !key.contains(|c: char| c.is_whitespace() || "()!=,".contains(c));
        let key = |key: &str| Some(key.trim().to_owned()).filter(|key| is_key(key));
        let values = |list: &str| {
            let inside = list.trim().strip_prefix('(')?.strip_suffix(')')?;
            Some(inside.split(',').map(|value| value.trim().to_owned()).collect())
        };
        if let Some((name, value)) = part.split_once("!=") {
            return Some(Self::NotIn(key(name)?, vec![value.trim().to_owned()]));
        }
        if let Some((name, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
            return Some(Self::In(key(name)?, vec![value.trim().to_owned()]));
        }
        if let Some((name, list)) = part.split_once(" notin ") {
            return Some(Self::NotIn(key(name)?, values(list)?));
        }
        if let Some((name, list)) = part.split_once(" in ") {
            return Some(Self::In(key(name)?, values(list)?));
        }
        match part.strip_prefix('!') {
            Some(name) => Some(Self::Missing(key(name)?)),
            None => Some(Self::Exists(key(part)?)),
        }
    }

    fn is_met(&self, map: &Value) -> bool {
        let value = |key: &str| map.get(key).and_then(Value::as_str);
        match self {
            Self::Exists(key) => value(key).is_some(),
            Self::Missing(key) => value(key).is_none(),
            Self::In(key, values) => value(key).is_some_and(|it| values.iter().any(|value| value == it)),
            Self::NotIn(key, values) => !value(key).is_some_and(|it| values.iter().any(|value| value == it)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_of_objects_take_what_they_say() {
        let labels = json!({"app": "web", "tier": "front"});
        for (selector, matches) in [
            (json!({}), Some(true)),
            (json!({"app": "web"}), Some(true)),
            (json!({"app": "web", "tier": "back"}), Some(false)),
            // A label of that name.
            (json!({"matchLabels": "web"}), Some(false)),
            (json!({"matchLabels": {"app": "web"}}), Some(true)),
            (json!({"matchLabels": {"app": "db"}}), Some(false)),
            (json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["db", "web"]}]}), Some(true)),
            (json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["db", "web"]}]}), Some(false)),
            (json!({"matchExpressions": [{"key": "other", "operator": "NotIn", "values": ["web"]}]}), Some(true)),
            (json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}), Some(true)),
            (json!({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}), Some(false)),
            (
                json!({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}),
                Some(false),
            ),
            (json!({"matchExpressions": [{"key": "app", "operator": "Like", "values": ["w"]}]}), None),
            (json!({"matchExpressions": [{"key": "app", "operator": "In"}]}), None),
            (json!({"app": 7}), None),
            (json!(null), None),
        ] {
            let found = LabelSelector::of(&selector).map(|selector| selector.matches(&labels));
            assert_eq!(found, matches, "{selector}");
        }
    }
}
