//! Placeholders: hidden where a tool puts something in, a text like any other where none does.

use crate::diff::table::{CONFIG_MAP, DEPLOYMENT, SECRET, case, table};

fn args(list: &str) -> String {
    format!("spec: {{template: {{spec: {{containers: [{{name: a, args: [{list}]}}]}}}}}}")
}

#[test]
fn without_a_substitution_a_variable_is_a_text() {
    let path = "drift spec.template.spec.containers[name=\"a\"].args";
    table(
        DEPLOYMENT,
        [
            case("a shell's variable")
                .git(&args("'echo ${HOME}; exec app'"))
                .update(&args("'echo x; exec app'"))
                .expect(path)
                .reverse("conforms"),
            case("created with another one")
                .git(&args("'echo ${HOME}; exec app'"))
                .create(&args("'curl x|sh'"))
                .expect(path),
            case("left out")
                .git("spec: {schedulerName: '${NAME}'}")
                .update("spec: {}")
                .expect("drift spec.schedulerName")
                .reverse("conforms"),
        ],
    );
    let text = |line: &str| format!("data: {{conf: \"set $x ${{VAR}};\\n{line}\\n\"}}");
    table(
        CONFIG_MAP,
        [
            case("another line").git(&text("a")).update(&text("b")).expect("drift data[\"conf\"]").reverse("conforms"),
            case("in angle brackets")
                .git("data: {a: '<key> <path:b>'}")
                .update("data: {a: x}")
                .expect("drift data[\"a\"]")
                .reverse("conforms"),
            case("in an object that keeps its variables")
                .git("metadata: {annotations: {kustomize.toolkit.fluxcd.io/substitute: disabled}}\ndata: {a: '${A}'}")
                .substituted()
                .update("metadata: {annotations: {kustomize.toolkit.fluxcd.io/substitute: disabled}}\ndata: {a: x}")
                .expect("drift data[\"a\"]")
                .reverse("conforms"),
        ],
    );
}

#[test]
fn the_text_around_a_placeholder_is_compared() {
    let url = "data: {url: 'https://${DOMAIN}/x', b: y}";
    let with = |url: &str| format!("data: {{url: '{url}', b: y}}");
    let of_person = "drift data[\"url\"] | conforms";
    table(
        CONFIG_MAP,
        [
            case("the hidden part")
                .git(url)
                .substituted()
                .update_from(&with("https://a.b/x"), &with("https://c.d/x"))
                .expect(of_person)
                .reverse(of_person),
            case("the text around it")
                .git(url)
                .substituted()
                .update_from(&with("https://a.b/x"), &with("https://a.b/y"))
                .expect("drift data[\"url\"]")
                .reverse("conforms"),
            case("all of it")
                .git(url)
                .substituted()
                .update_from(&with("https://a.b/x"), &with("evil"))
                .expect("drift data[\"url\"]")
                .reverse("conforms"),
            case("taken away")
                .git(url)
                .substituted()
                .update_from(&with("https://a.b/x"), "data: {b: y}")
                .expect("drift data[\"url\"]"),
            case("created").git(url).substituted().create(&with("https://a.b/x")).expect("conforms"),
            case("created with another text")
                .git(url)
                .substituted()
                .create(&with("http://a.b/x"))
                .expect("drift data[\"url\"]"),
            case("an escaped variable")
                .git("data: {a: 'x $${A} ${B}'}")
                .substituted()
                .update_from("data: {a: 'x ${A} 1'}", "data: {a: 'x 2 1'}")
                .expect("drift data[\"a\"]")
                .reverse("conforms"),
        ],
    );
    let path = "drift spec.template.spec.containers[name=\"a\"].args";
    table(
        DEPLOYMENT,
        [case("in a list that is one value")
            .git(&args("'--in=${C}', --v=2"))
            .substituted()
            .update_from(&args("--in=c, --v=2"), &args("--out=c, --v=2"))
            .expect(path)
            .reverse("conforms")],
    );
}

#[test]
fn what_a_vault_plugin_puts_in_is_hidden() {
    let annotations = "metadata: {annotations: {avp.kubernetes.io/path: kv/data/a}}\n";
    let with = |fields: &str| format!("{annotations}{fields}");
    let of_person = "drift data[\"a\"] | conforms";
    // `u:p`, `u:q` and `v:p` in base64.
    let [right, other_password, other_user] =
        ["dTpw", "dTpx", "djpw"].map(|value| with(&format!("data: {{a: {value}}}")));
    for git in ["stringData: {a: 'u:<password>'}", "data: {a: dTo8cGFzc3dvcmQ+}", "stringData: {a: 'u:<path:kv/a#b>'}"]
    {
        table(
            SECRET,
            [
                case(git).git(&with(git)).update_from(&right, &other_password).expect(of_person).reverse(of_person),
                case(git)
                    .git(&with(git))
                    .update_from(&right, &other_user)
                    .expect("drift data[\"a\"]")
                    .reverse("conforms"),
                case(git).git(&with(git)).create(&right).expect("conforms"),
                case(git).git(&with(git)).create(&other_user).expect("drift data[\"a\"]"),
            ],
        );
    }
}
