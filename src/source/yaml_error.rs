//! Where the YAML of a repository is wrong. The parser's own words quote values, and show the lines around: there may be
//! a secret in them, and a log keeps what it is told.

/// Line and column, and that it is not what it must be.
pub(super) fn yaml_error(error: &serde_saphyr::Error) -> String {
    const WRONG: &str = "it is no valid YAML, or not what belongs there";
    match error.without_snippet().location() {
        Some(place) => format!("line {}, column {}: {WRONG}", place.line(), place.column()),
        None => WRONG.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn an_error_says_where_it_is_and_shows_nothing_of_the_text() {
        let text = "a:\n  - password=secret\nb: {c: [\n";
        let error = serde_saphyr::from_str::<Value>(text).unwrap_err();
        assert!(error.to_string().contains("secret"), "it would be shown: {error}");
        assert_eq!(yaml_error(&error), "line 3, column 8: it is no valid YAML, or not what belongs there");
        let error = serde_saphyr::from_str::<Vec<u8>>("secret").unwrap_err();
        assert!(!yaml_error(&error).contains("secret"));
    }
}
