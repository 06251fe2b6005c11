//! The head of a review: what the API server sends before the objects. It can be
//! read where the rest is cut off, or cannot be read.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::request::{GroupVersionKind, GroupVersionResource, WireOperation};
use super::write::User;

/// What was read of a review, up to its end or to what cannot be read.
#[derive(Default)]
pub(super) struct Head<'a> {
    pub(super) uid: Option<Cow<'a, str>>,
    pub(super) kind: Option<GroupVersionKind<'a>>,
    pub(super) resource: Option<GroupVersionResource<'a>>,
    pub(super) subresource: Cow<'a, str>,
    pub(super) name: Cow<'a, str>,
    pub(super) namespace: Cow<'a, str>,
    pub(super) operation: Option<WireOperation>,
    pub(super) user: Option<User<'a>>,
    pub(super) dry_run: bool,
}

/// Reads as much of a review as can be read.
pub(super) fn read_head(body: &[u8]) -> Head<'_> {
    let mut head = Head::default();
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    // Where it fails, what came before is in `head`.
    let _ = Review(&mut head).deserialize(&mut deserializer);
    head
}

/// A string on the wire, borrowed where it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The value of a field; `None` where it is not what it should be, so that what
/// follows it can be read all the same.
fn part<'a, T: Deserialize<'a>, M: MapAccess<'a>>(map: &mut M) -> Result<Option<T>, M::Error> {
    let raw: &'a RawValue = map.next_value()?;
    Ok(serde_json::from_str(raw.get()).ok())
}

struct Review<'h, 'a>(&'h mut Head<'a>);

impl<'a> DeserializeSeed<'a> for Review<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Review<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an AdmissionReview")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        let mut has_request = false;
        while let Some(Text(name)) = map.next_key()? {
            match &*name {
                // No API server sends two; a second one must not change what the first says.
                "request" if has_request => return Err(M::Error::duplicate_field("request")),
                "request" => {
                    has_request = true;
                    map.next_value_seed(Request(self.0))?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// The fields of a request that are read.
const FIELDS: [&str; 9] =
    ["uid", "kind", "resource", "subResource", "name", "namespace", "operation", "userInfo", "dryRun"];

struct Request<'h, 'a>(&'h mut Head<'a>);

impl<'a> DeserializeSeed<'a> for Request<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'a> Visitor<'a> for Request<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request of an AdmissionReview")
    }

    fn visit_map<M: MapAccess<'a>>(self, mut map: M) -> Result<(), M::Error> {
        let head = self.0;
        let mut seen = [false; FIELDS.len()];
        while let Some(Text(name)) = map.next_key()? {
            if let Some(field) = FIELDS.iter().position(|field| **field == *name)
                && std::mem::replace(&mut seen[field], true)
            {
                return Err(M::Error::duplicate_field(FIELDS[field]));
            }
            match &*name {
                "uid" => head.uid = part(&mut map)?.map(|Text(uid)| uid),
                "kind" => head.kind = part(&mut map)?,
                "resource" => head.resource = part(&mut map)?,
                "subResource" => {
                    head.subresource = part(&mut map)?.map(|Text(subresource)| subresource).unwrap_or_default();
                }
                "name" => head.name = part(&mut map)?.map(|Text(name)| name).unwrap_or_default(),
                "namespace" => head.namespace = part(&mut map)?.map(|Text(namespace)| namespace).unwrap_or_default(),
                "operation" => head.operation = part(&mut map)?,
                "userInfo" => head.user = part(&mut map)?,
                "dryRun" => head.dry_run = part(&mut map)?.unwrap_or(false),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}
