//! Where each field is written.

use super::{manifest, object, objects, position};

#[track_caller]
fn check(text: &str, positions: &[(&str, &str)]) {
    let object = object(text);
    for (path, expected) in positions {
        assert_eq!(position(&object, path), *expected, "{path}");
    }
}

const DEPLOYMENT: &str = "\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 3
  template:
    spec:
      containers:
      - name: web
        args: [-a, \"é\", --b]
        env:
          -
            name: X
            value: |
              a
              b
      # a comment
      - image: b
        name: b
";

const POSITIONS: &[(&str, &str)] = &[
    ("", "1:1"),
    ("apiVersion", "1:1"),
    ("kind", "2:1"),
    ("metadata", "3:1"),
    ("metadata.name", "4:3"),
    ("spec.replicas", "6:3"),
    ("spec.template.spec.containers", "9:7"),
    ("spec.template.spec.containers[0]", "10:9"),
    ("spec.template.spec.containers[0].args[0]", "11:16"),
    ("spec.template.spec.containers[0].args[1]", "11:20"),
    ("spec.template.spec.containers[0].args[2]", "11:25"),
    ("spec.template.spec.containers[0].env[0]", "14:13"),
    ("spec.template.spec.containers[0].env[0].value", "15:13"),
    ("spec.template.spec.containers[1]", "19:9"),
    ("spec.template.spec.containers[1].name", "20:9"),
    ("spec.template.spec.containers[2]", "nowhere"),
    ("spec.replicas.x", "nowhere"),
    ("spec[0]", "nowhere"),
    ("status", "nowhere"),
];

#[test]
fn an_entry_is_where_its_key_is_and_an_item_where_it_starts() {
    check(DEPLOYMENT, POSITIONS);
}

#[test]
fn line_ends_and_byte_order_marks_do_not_shift_positions() {
    check(&DEPLOYMENT.replace('\n', "\r\n"), POSITIONS);
    check(&format!("\u{FEFF}{DEPLOYMENT}"), POSITIONS);
}

#[test]
fn lines_are_counted_from_the_start_of_the_file() {
    let text = format!("# one\n\n---\n{}--- # two\n{}", manifest("a", ""), manifest("b", "x: 1\n"));
    let objects = objects(&text);
    assert_eq!(position(&objects[0], "apiVersion"), "4:1");
    assert_eq!(position(&objects[0], "metadata.name"), "6:12");
    assert_eq!(position(&objects[1], "apiVersion"), "8:1");
    assert_eq!(position(&objects[1], "x"), "11:1");
    assert_eq!(objects[1].document, 2);
    check(
        "%YAML 1.1\n--- {apiVersion: v1, kind: C,\n metadata: {name: é, x: 1}}",
        &[("", "2:5"), ("kind", "2:22"), ("metadata.x", "3:22")],
    );
}

#[test]
fn a_value_that_comes_through_an_alias_is_where_it_is_written() {
    let text = manifest(
        "a",
        "\
base: &base
  image: a
  ports: &ports [80, 81]
x: *base
v: {<<: *base, image: b}
z: {ports: *ports, l: &n 3, m: *n, <<: {k: 1}}
w: [*n, *ports]
",
    );
    check(
        &text,
        &[
            ("base", "4:1"),
            ("x", "5:3"),
            ("x.image", "5:3"),
            ("x.ports", "6:3"),
            ("x.ports[1]", "6:22"),
            ("v", "8:1"),
            ("v.image", "8:16"),
            ("v.ports[0]", "6:18"),
            ("z.k", "9:41"),
            ("z.ports", "6:17"),
            ("z.ports[0]", "6:18"),
            ("z.l", "9:20"),
            ("z.m", "9:26"),
            ("w[0]", "9:26"),
            ("w[1]", "6:17"),
        ],
    );
}

#[test]
fn of_duplicate_keys_the_one_that_counts_has_the_position() {
    let text = manifest("a", "x: {b: 1}\nv: 1\nx: {c: 2, b: 3, c: 4}\n");
    check(&text, &[("x", "6:1"), ("x.b", "6:11"), ("x.c", "6:17"), ("v", "5:1")]);
}

#[test]
fn json_has_positions_too() {
    let text = "{\"apiVersion\":\"v1\",\"kind\":\"C\",\n\t\"metadata\": {\"name\": \"é\\n\", \"x\": [\n1, 2 ,{\"é\":3 ,\"y\": 4}]}}";
    check(
        text,
        &[
            ("", "1:1"),
            ("apiVersion", "1:2"),
            ("kind", "1:20"),
            ("metadata", "2:2"),
            ("metadata.name", "2:15"),
            ("metadata.x", "2:30"),
            ("metadata.x[0]", "3:1"),
            ("metadata.x[1]", "3:4"),
            ("metadata.x[2].é", "3:8"),
            ("metadata.x[2].y", "3:15"),
        ],
    );
}
