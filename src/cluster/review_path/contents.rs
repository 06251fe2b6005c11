//! What the Secret of the review path holds.
//!
//! | key | value |
//! | --- | --- |
//! | `path` | the path that is to be registered |
//! | `created` | when it was created, in Unix time |
//! | `former-path` | the path that it takes the place of, while that one is accepted too |

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use crate::cluster::secret_store::SecretContents;
use driftwall_core::webhook_config::{AcceptedPath, ReviewPath};

const PATH: &str = "path";
const CREATED: &str = "created";
const FORMER_PATH: &str = "former-path";

/// The usable contents of the Secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PathContents {
    pub(super) path: Option<ReviewPath>,
    /// Unix time; 0 where it is not known.
    pub(super) created_at: i64,
    pub(super) former: Option<ReviewPath>,
    problems: Vec<String>,
}

impl PathContents {
    /// A new path, which takes the place of `former`.
    pub(super) fn new(path: ReviewPath, created_at: i64, former: Option<ReviewPath>) -> Self {
        Self { path: Some(path), created_at, former, problems: Vec::new() }
    }

    pub(super) fn without_former(&self) -> Self {
        Self { former: None, ..self.clone() }
    }

    /// The paths that are answered.
    pub(super) fn accepted(&self) -> Vec<AcceptedPath> {
        let paths = [(&self.path, false), (&self.former, true)];
        let accepted = paths.into_iter().filter_map(|(path, is_former)| Some((path.clone()?, is_former)));
        accepted.map(|(path, is_former)| AcceptedPath { path, is_former }).collect()
    }
}

impl SecretContents for PathContents {
    const KEYS: &[&str] = &[PATH, CREATED, FORMER_PATH];
    const TYPE: &str = "Opaque";
    const REQUIRED_KEYS: &[&str] = &[];

    fn read(secret: &Secret) -> Self {
        let mut problems = Vec::new();
        let path = path(secret, PATH, &mut problems);
        let former = path.as_ref().and_then(|_| self::path(secret, FORMER_PATH, &mut problems));
        let created_at = value(secret, CREATED).and_then(|created| created.parse().ok()).unwrap_or_default();
        Self { former: former.filter(|former| Some(former) != path.as_ref()), path, created_at, problems }
    }

    fn data(&self) -> BTreeMap<String, ByteString> {
        let text = |path: &Option<ReviewPath>| path.as_ref().map(|path| path.as_str().to_owned());
        let values =
            [(PATH, text(&self.path)), (CREATED, Some(self.created_at.to_string())), (FORMER_PATH, text(&self.former))];
        let values = values.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        values.map(|(key, value)| (key, ByteString(value.into_bytes()))).collect()
    }

    fn problems(&self) -> &[String] {
        &self.problems
    }
}

/// A value of the Secret; `None` where it is empty.
fn value(secret: &Secret, key: &str) -> Option<String> {
    let bytes = secret.data.as_ref()?.get(key)?;
    let text = String::from_utf8_lossy(&bytes.0).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

fn path(secret: &Secret, key: &str, problems: &mut Vec<String>) -> Option<ReviewPath> {
    let path = ReviewPath::parse(&value(secret, key)?);
    if path.is_none() {
        problems.push(format!("{key}: it is no path that can be registered"));
    }
    path
}
