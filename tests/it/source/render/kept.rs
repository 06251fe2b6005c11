//! What was rendered is not rendered again.

use driftwall::source::render::RenderOptions;

use crate::source::render::fixtures::{CONFIG_MAP, objects, with_script};

/// Prints the number of its process, which is another one every time.
const PRINT_PROCESS: &str =
    "echo \"{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {process: \\\"$$\\\"}}\"\n";

#[test]
fn a_commit_that_touches_something_else_renders_nothing_again() {
    let (repo, options, _folder) = with_script(PRINT_PROCESS);
    let process = |options: &RenderOptions| {
        let rendered = repo.render("apps", options).unwrap();
        objects(&rendered)[0].1.value["data"]["process"].clone()
    };
    let first = process(&options);
    assert_eq!(process(&options), first, "the same commit");
    repo.write(&[("other/a.yaml", CONFIG_MAP)]);
    assert_eq!(process(&options), first, "a commit beside it");
    repo.write(&[("apps/a.yaml", &CONFIG_MAP.replace("name: a", "name: b"))]);
    let changed = process(&options);
    assert_ne!(changed, first);
    repo.write(&[("apps/a.yaml", CONFIG_MAP)]);
    assert_eq!(process(&options), first, "a change that was taken back");
    // Other repositories can have changed meanwhile.
    let remote = RenderOptions { allow_remote: true, ..options };
    assert_ne!(process(&remote), process(&remote));
}
