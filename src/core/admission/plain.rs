//! Decodes a review that is written as API servers write it: every field once, by a name without escapes. Any other one
//! is left to the decoder that can read them all and says what is wrong.

use std::borrow::Cow;

use serde::Deserialize;

use super::request::API_VERSION;
use super::skip::end_of_value;
use super::write::{CowStr, Operation, Resource, User, Write};

/// Decodes a review; `None` where it has anything that this does not read. Objects are not looked into.
pub(super) fn decode_plain(body: &[u8]) -> Option<Write<'_>> {
    let mut text = Text { json: str::from_utf8(body).ok()?, at: 0 };
    let (mut api_version, mut kind, mut request) = (None, None, None);
    text.skip_space();
    text.fields(|text, name| match name {
        "apiVersion" => set(&mut api_version, text.string()?),
        "kind" => set(&mut kind, text.string()?),
        "request" => set(&mut request, read_request(text)?),
        _ => text.value().map(drop),
    })?;
    text.skip_space();
    let is_review = api_version.as_deref() == Some(API_VERSION) && kind.as_deref() == Some("AdmissionReview");
    request.filter(|_| is_review && text.at == text.json.len())
}

fn read_request<'a>(text: &mut Text<'a>) -> Option<Write<'a>> {
    let (mut uid, mut kind, mut resource, mut subresource, mut name, mut namespace) =
        (None, None, None, None, None, None);
    let (mut operation, mut user, mut object, mut old_object, mut dry_run, mut options) =
        (None, None, None, None, None, None);
    text.fields(|text, field| match field {
        "uid" => set(&mut uid, text.string()?),
        "kind" => set(&mut kind, read_names(text, ["group", "version", "kind"])?),
        "resource" => set(&mut resource, read_names(text, ["group", "version", "resource"])?),
        "subResource" => set(&mut subresource, text.string()?),
        "name" => set(&mut name, text.string()?),
        "namespace" => set(&mut namespace, text.string()?),
        "operation" => set(&mut operation, read_operation(&text.string()?)?),
        "userInfo" => set(&mut user, read_user(text)?),
        "object" => set(&mut object, text.value()?),
        "oldObject" => set(&mut old_object, text.value()?),
        "dryRun" => set(&mut dry_run, read_flag(text.value()?)?),
        "options" => set(&mut options, text.value()?),
        _ => text.value().map(drop),
    })?;
    let [_, Some(kind_version), Some(kind)] = kind? else { return None };
    let [group, Some(version), Some(plural)] = resource? else { return None };
    let subresource = subresource.unwrap_or_default();
    let is_present = |text: &&str| *text != "null";
    Some(Write {
        uid: uid?,
        user: user?,
        operation: operation?,
        resource: Resource::of(group.unwrap_or_default(), [kind_version, version], kind, plural, subresource),
        namespace: namespace.unwrap_or_default(),
        name: name.unwrap_or_default(),
        object: object.filter(is_present),
        old_object: old_object.filter(is_present),
        dry_run: dry_run.unwrap_or(false),
        options: options.filter(is_present),
        unreadable: None,
        unread: Some(text.json.as_bytes()),
        outlines: Default::default(),
    })
}

/// The texts of these fields of an object.
fn read_names<'a, const N: usize>(text: &mut Text<'a>, names: [&str; N]) -> Option<[Option<Cow<'a, str>>; N]> {
    let mut found = [const { None }; N];
    text.fields(|text, field| match names.iter().position(|name| *name == field) {
        Some(index) => set(&mut found[index], text.string()?),
        None => text.value().map(drop),
    })?;
    Some(found)
}

fn read_user<'a>(text: &mut Text<'a>) -> Option<User<'a>> {
    let (mut name, mut groups) = (None, None);
    text.fields(|text, field| match field {
        "username" => set(&mut name, text.string()?),
        "groups" => set(&mut groups, text.strings()?),
        _ => text.value().map(drop),
    })?;
    Some(User { name: name.unwrap_or_default(), groups: groups.unwrap_or_default() })
}

fn read_operation(name: &str) -> Option<Operation> {
    let all = [Operation::Connect, Operation::Create, Operation::Delete, Operation::Update];
    all.into_iter().find(|operation| operation.as_str() == name)
}

fn read_flag(value: &str) -> Option<bool> {
    match value {
        "true" => Some(true),
        "false" | "null" => Some(false),
        _ => None,
    }
}

/// Sets what is said the first time; `None` where it was said before.
fn set<T>(field: &mut Option<T>, value: T) -> Option<()> {
    field.replace(value).is_none().then_some(())
}

/// A JSON text, read up to a place.
struct Text<'a> {
    json: &'a str,
    at: usize,
}

impl<'a> Text<'a> {
    fn peek(&self) -> Option<u8> {
        self.json.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Whether this byte comes next; then it is read.
    fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Reads an object; `read` reads the value of each field.
    fn fields(&mut self, mut read: impl FnMut(&mut Self, &'a str) -> Option<()>) -> Option<()> {
        self.items((b'{', b'}'), |text| {
            let name = text.plain_string()?;
            text.skip_space();
            if !text.take(b':') {
                return None;
            }
            text.skip_space();
            read(text, name)
        })
    }

    /// Reads a list of strings, or `null`, which is an empty one.
    fn strings(&mut self) -> Option<Vec<CowStr<'a>>> {
        let mut strings = Vec::new();
        if self.peek() == Some(b'n') {
            return (self.value()? == "null").then_some(strings);
        }
        self.items((b'[', b']'), |text| {
            strings.push(CowStr(text.string()?));
            Some(())
        })?;
        Some(strings)
    }

    fn items(&mut self, (begin, end): (u8, u8), mut read: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        if !self.take(begin) {
            return None;
        }
        self.skip_space();
        if self.take(end) {
            return Some(());
        }
        loop {
            read(self)?;
            self.skip_space();
            if self.take(end) {
                return Some(());
            }
            if !self.take(b',') {
                return None;
            }
            self.skip_space();
        }
    }

    /// Skips a value, and returns its text.
    fn value(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.at = end_of_value(self.json.as_bytes(), start)?;
        self.json.get(start..self.at)
    }

    /// Reads a string, which may have escapes.
    fn string(&mut self) -> Option<Cow<'a, str>> {
        let start = self.at;
        if let Some(plain) = self.plain_string() {
            return Some(Cow::Borrowed(plain));
        }
        self.at = start;
        let value = self.value()?;
        let is_string = value.starts_with('"');
        String::deserialize(&mut serde_json::Deserializer::from_str(value)).ok().filter(|_| is_string).map(Cow::Owned)
    }

    /// Reads a string without escapes.
    fn plain_string(&mut self) -> Option<&'a str> {
        if !self.take(b'"') {
            return None;
        }
        let start = self.at;
        let rest = self.json.as_bytes().get(start..)?;
        let length = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' '))?;
        self.at += length;
        let text = self.json.get(start..self.at)?;
        self.take(b'"').then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{BufRead as _, BufReader};
    use std::path::Path;

    use serde_json::{Value, json};

    use super::super::request::decode_any;
    use super::*;

    /// What both decoders say of a review, or the reason why one of them reads nothing.
    fn both(review: &[u8]) -> [Option<String>; 2] {
        [decode_plain(review), decode_any(review).ok()]
            .map(|write| write.map(|write| format!("{:?}", Write { unread: None, ..write })))
    }

    #[test]
    fn reviews_of_an_api_server_are_plain_and_read_as_any_other() {
        let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/reviews");
        let lines = |name: &str| {
            let file = File::open(recordings.join(name)).unwrap();
            BufReader::new(flate2::read::GzDecoder::new(file)).lines().map(Result::unwrap)
        };
        let mut count = 0;
        let traffic = lines("traffic.jsonl.gz");
        let actions = lines("actions.jsonl.gz").map(|line| {
            let line: Value = serde_json::from_str(&line).unwrap();
            line["review"].to_string()
        });
        for review in traffic.chain(actions) {
            let [plain, any] = both(review.as_bytes());
            assert!(plain.is_some() && plain == any, "{review}");
            count += 1;
        }
        assert!(count > 1000, "{count}");
    }

    #[test]
    fn what_is_written_otherwise_is_left_to_the_other_decoder() {
        let review = json!({
            "apiVersion": API_VERSION, "kind": "AdmissionReview",
            "request": {
                "uid": "u1", "operation": "CREATE", "name": "a\"b\u{1}é", "namespace": "prod",
                "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
                "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
                "userInfo": {"username": "alice", "groups": null, "extra": {"k": ["}"]}},
                "object": {"spec": "}\"{"}, "oldObject": null, "dryRun": true, "options": null,
            },
        })
        .to_string();
        let [plain, any] = both(review.as_bytes());
        assert!(plain.is_some() && plain == any, "{plain:?} {any:?}");
        let spaced = review.replace("\":", "\"\t: ").replace(",\"", "\r ,\n\"");
        let [plain, any] = both(spaced.as_bytes());
        assert!(plain.is_some() && plain == any, "{plain:?} {any:?}");
        for (from, to) in [
            (r#""kind":"AdmissionReview""#, r#""kind":"Review""#),
            (r#""uid":"u1""#, r#""uid":"u1","uid":"u2""#),
            (r#""uid":"u1""#, r#""\u0075id":"u1""#),
            (r#""uid":"u1""#, r#""uid":1"#),
            (r#""uid":"u1","#, ""),
            (r#""uid":"u1","#, r#""uid":"u1",,"#),
            (r#""dryRun":true"#, r#""dryRun":"true""#),
            (r#""CREATE""#, r#""MELT""#),
            (r#""groups":null"#, r#""groups":[1]"#),
            (r#""groups":null"#, r#""groups":["a",]"#),
            (r#""username":"alice""#, r#""username":"alice","username":"root""#),
            (r#""version":"v1""#, r#""versions":"v1""#),
        ] {
            assert!(review.contains(from), "{from}");
            let other = review.replace(from, to);
            assert!(decode_plain(other.as_bytes()).is_none(), "{other}");
        }
        for length in 0..review.len() {
            assert!(decode_plain(&review.as_bytes()[..length]).is_none(), "{length}");
        }
        assert!(decode_plain(format!("{review}x").as_bytes()).is_none());
        assert!(decode_plain(format!(" {review}\n").as_bytes()).is_some());
    }
}
