//! Placeholders in what identifies an object: Git does not say which object it is.

use crate::manifest;

/// Whether the type, namespace or name of an object has a placeholder in it.
pub(super) fn is_in_key(object: &manifest::Object) -> bool {
    let manifest::Object { api_version, kind, namespace, name, .. } = object;
    [api_version, kind, name].into_iter().chain(namespace).any(|text| is_placeholder(text))
}

/// Whether a name holds what a tool replaces before it applies the manifest:
/// `${VAR}` (Flux, envsubst), `$(VAR)` and `$VAR`, `<path:…>` and `<key>`
/// (argocd-vault-plugin), `{{…}}` (templates), `#{…}#`, `%VAR%`, `@VAR@`, `__VAR__`.
///
/// `$`, `<`, `>`, `{`, `}` and `%` are in no name that Kubernetes documents for any
/// kind, <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>;
/// `%` is refused in every path segment. The others are in names of RBAC, so they
/// count in pairs around capitals only.
fn is_placeholder(name: &str) -> bool {
    name.contains(['$', '<', '>', '{', '}', '%']) || has_variable(name, "@") || has_variable(name, "__")
}

/// Whether a variable's name in capitals stands between two marks.
fn has_variable(name: &str, mark: &str) -> bool {
    let is_variable = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_uppercase())
            && part.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    let parts: Vec<_> = name.split(mark).collect();
    // The first and the last part are outside of the marks.
    parts.len() > 2 && parts[1..parts.len() - 1].iter().any(|part| is_variable(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_is_told_from_a_name() {
        for (name, expected) in [
            ("${APP}-web", true),
            ("$(APP)", true),
            ("$APP", true),
            ("web-{{ .Values.tier }}", true),
            ("<path:secret/data/app#name>", true),
            ("<name>", true),
            ("#{App}#-web", true),
            ("%APP%", true),
            ("@APP@-web", true),
            ("__APP_1__", true),
            ("web", false),
            ("web-1.example.org", false),
            ("system:node", false),
            ("System:Node_Reader", false),
            ("ops@example.org", false),
            ("a@B@c", true),
            ("a@b@c", false),
            ("my__role__x", false),
            ("", false),
        ] {
            assert_eq!(is_placeholder(name), expected, "{name}");
        }
    }
}
