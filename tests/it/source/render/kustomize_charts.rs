//! Charts in kustomizations, and other build options: what is rendered is what the real kustomize
//! makes of the same files, with the real Helm and the network.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use driftwall::source::charts::{ChartAccess, ChartRepository, RepositoryCredentials};
use driftwall::source::render::{KustomizeOptions, LoadRestrictor, Programs, RenderOptions};
use driftwall::source::{SourceSpec, load, local_commit};
use serde_json::Value;

use crate::source::charts::dependencies::value;
use crate::source::charts::fixtures::{Client, Helm};
use crate::source::charts::registry::{Access, Registry};
use crate::source::charts::web_server::WebServer;
use crate::source::render::fixtures::{CONFIG_MAP, Repo, objects, real_programs};

const WITH_HELM: KustomizeOptions = KustomizeOptions { enable_helm: true, load_restrictor: LoadRestrictor::RootOnly };
const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-map\ndata:\n  size: {{ \
                   .Values.size | quote }}\n  color: {{ .Values.color | quote }}\n  namespace: {{ .Release.Namespace }}\n  \
                   versions: {{ .Capabilities.KubeVersion }}\n";
const DEFINITION: &str = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: \
                          as.example.org}\nspec: {group: example.org}\n";

/// Options with the real programs, kubectl as kustomize.
fn with(kustomize: KustomizeOptions) -> Option<RenderOptions> {
    Some(RenderOptions { kustomize, ..real_programs()? })
}

/// What the real kustomize prints in a folder, unconfined.
fn build(options: &RenderOptions, folder: &Path, ca: Option<&Path>) -> Vec<Value> {
    let Programs { kubectl: Some(kubectl), helm: Some(helm), .. } = &options.programs else { panic!("no programs") };
    let mut command = Command::new(kubectl);
    command.args(["kustomize", "--enable-helm", "--helm-command"]).arg(helm).arg(".").current_dir(folder);
    if options.kustomize.load_restrictor == LoadRestrictor::None {
        command.arg("--load-restrictor=LoadRestrictionsNone");
    }
    if let Some(ca) = ca {
        command.env("SSL_CERT_FILE", ca);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    sorted(driftwall_core::manifest::parse("kustomize", &output.stdout).objects.into_iter().map(|object| object.value))
}

fn sorted(objects: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut objects: Vec<_> = objects.collect();
    objects.sort_by_key(ToString::to_string);
    objects
}

/// Whether driftwall renders what the real kustomize does.
fn renders_the_same(repo: &Repo, path: &str, options: &RenderOptions) {
    let rendered = repo.render(path, options).unwrap_or_else(|error| panic!("{path}: {error}"));
    let found = sorted(objects(&rendered).into_iter().map(|(_, object)| object.value.clone()));
    let expected = build(options, &repo.root().join(path), None);
    assert!(!expected.is_empty(), "{path}");
    assert_eq!(found, expected, "{path}");
}

#[test]
fn committed_charts_become_what_kustomize_makes_of_them() {
    let Some(options) = with(WITH_HELM) else { return };
    let repo = Repo::new(&[
        ("inline/charts/web/Chart.yaml", CHART),
        ("inline/charts/web/values.yaml", "size: 1\ncolor: red\n"),
        ("inline/charts/web/templates/map.yaml", MAP),
        ("inline/charts/web/crds/a.yaml", DEFINITION),
        ("inline/more.yaml", "color: green\n"),
        ("inline/a.yaml", CONFIG_MAP),
        (
            "inline/kustomization.yaml",
            "\
namespace: prod
namePrefix: p-
buildMetadata: [originAnnotations, transformerAnnotations]
resources: [a.yaml]
helmCharts:
- {name: web, releaseName: one, namespace: shop, includeCRDs: true, valuesInline: {size: 7}}
- {name: web, releaseName: two, valuesMerge: merge, valuesInline: {color: blue, size: 3}}
- {name: web, nameTemplate: three, additionalValuesFiles: [more.yaml], kubeVersion: 1.30.0}
patches:
- patch: '[{\"op\": \"add\", \"path\": \"/data/patched\", \"value\": \"yes\"}]'
  target: {kind: ConfigMap, name: one-map}
",
        ),
        ("overlay/kustomization.yaml", "nameSuffix: -x\nresources: [../inline]\nlabels: [{pairs: {a: b}}]\n"),
        ("old/values.yaml", "size: 5\ncolor: white\n"),
        (
            "old/kustomization.yaml",
            "helmChartInflationGenerator:\n- {chartName: web, chartHome: ../inline/charts, releaseName: r, values: \
             values.yaml}\n",
        ),
        (
            "generator/g.yaml",
            "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: g}\nname: web\nreleaseName: \
             g\nchartHome: ../inline/charts\nvaluesFile: values.yaml\n",
        ),
        ("generator/values.yaml", "size: 4\n"),
        ("generator/kustomization.yaml", "generators: [g.yaml]\n"),
        ("folder/kustomization.yaml", "generators: [plugins]\n"),
        ("folder/values.yaml", "size: 9\n"),
        (
            "folder/plugins/g.yaml",
            "apiVersion: builtin\nkind: HelmChartInflationGenerator\nmetadata: {name: g}\nname: web\nreleaseName: \
             g\nchartHome: ../inline/charts\nvaluesFile: values.yaml\n",
        ),
        ("folder/plugins/kustomization.yaml", "resources: [g.yaml]\n"),
    ]);
    for path in ["inline", "overlay", "old", "generator", "folder"] {
        renders_the_same(&repo, path, &options);
    }
    let rendered = repo.render("overlay", &options).unwrap();
    let files: Vec<_> = objects(&rendered).iter().map(|(file, object)| format!("{} {file}", object.name)).collect();
    assert!(files.contains(&"p-one-map-x inline/kustomization.yaml".to_owned()), "{files:?}");
    assert!(files.contains(&"p-a-x inline/a.yaml".to_owned()), "{files:?}");
}

/// A source of a kustomization, with charts from these servers.
fn source(client: &Client, repo: &Repo, options: &RenderOptions, path: &str, servers: &[String]) -> SourceSpec {
    let credentials = servers.iter().map(|url| RepositoryCredentials {
        prefix: ChartRepository::parse(url).unwrap(),
        credentials: client.credentials(),
    });
    SourceSpec {
        path: path.to_owned(),
        namespace: Some("prod".into()),
        render: options.clone(),
        chart_access: Some(ChartAccess { store: client.store(), credentials: credentials.collect() }),
        ..SourceSpec::local("prod", repo.root())
    }
}

#[test]
fn charts_that_are_not_committed_are_fetched_as_kustomize_would_pull_them() {
    let (Some(helm), Some(options)) = (Helm::new(), with(WITH_HELM)) else { return };
    let (client, root) = (Client::new(), tempfile::tempdir().unwrap());
    for version in ["1.2.0", "1.3.0", "2.0.0-rc.1"] {
        helm.package("web", version, root.path());
    }
    helm.index(root.path());
    let server = WebServer::tls(root.path(), &client.pair);
    let registry = Registry::start(&client, Access::Anybody);
    let (http, ca) = (server.url("/"), client.folder.path().join("ca.pem"));
    let mut servers = vec![server.url("")];
    let mut repositories = vec![http.clone()];
    if let Some(registry) = &registry {
        for version in ["1.2.0", "1.3.0"] {
            registry.push(&client, &helm, "web", version, Access::Anybody);
        }
        servers.push(registry.url("/charts"));
        repositories.push(registry.url("/charts"));
    }
    for repository in repositories {
        for (version, fetched) in [("version: 1.2.0", "1.2.0"), ("version: ^1", "1.3.0"), ("devel: false", "1.3.0")] {
            let chart = format!("- {{name: web, repo: \"{repository}\", {version}, valuesInline: {{size: 7}}}}\n");
            let repo = Repo::new(&[("k/kustomization.yaml", &format!("helmCharts:\n{chart}"))]);
            let source = source(&client, &repo, &options, "k", &servers);
            let loaded = load(&source, &local_commit(&source).unwrap(), None, &Arc::default()).unwrap();
            let (found, file) = value(&loaded, "web", "version").unwrap();
            assert_eq!((found.as_str(), file.as_str()), (fetched, "k/kustomization.yaml"), "{chart}");
            let [pulled] = &build(&options, &repo.root().join("k"), Some(&ca))[..] else { panic!("one object") };
            assert_eq!(pulled["data"]["version"], found, "{chart}");
            assert_eq!(pulled["data"]["size"], value(&loaded, "web", "size").unwrap().0, "{chart}");
        }
    }
    let repo = Repo::new(&[(
        "kustomization.yaml",
        &format!("helmCharts:\n- {{name: web, repo: \"{http}\", devel: true, releaseName: r}}\n"),
    )]);
    let source = source(&client, &repo, &options, "", &servers);
    let loaded = load(&source, &local_commit(&source).unwrap(), None, &Arc::default()).unwrap();
    assert_eq!(value(&loaded, "web", "version").unwrap().0, "2.0.0-rc.1");
}

#[test]
fn what_cannot_be_fetched_is_told_with_its_file() {
    let Some(options) = with(WITH_HELM) else { return };
    let client = Client::new();
    for (chart, words) in [
        ("name: web, repo: 'http://charts.invalid'", "it is not https"),
        ("name: web, repo: 's3://u:s3cret@bucket/charts'", "k/kustomization.yaml: the chart web is from s3://"),
        ("name: web, repo: 'https://charts.invalid', version: newest", "the chart web has no version to look for"),
        ("name: ../web, repo: 'https://charts.invalid'", "no name of a chart"),
        (
            "name: web, releaseName: a",
            "failed to find k/charts/web, the folder of the chart web in the commit, which k/kustomization.yaml needs",
        ),
    ] {
        let repo = Repo::new(&[("k/kustomization.yaml", &format!("helmCharts: [{{{chart}}}]\n"))]);
        let source = source(&client, &repo, &options, "k", &[]);
        let error = load(&source, &local_commit(&source).unwrap(), None, &Arc::default()).unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains("s3cret"), "{chart}: {error}");
    }
}

#[test]
fn charts_need_a_build_option() {
    let Some(options) = with(KustomizeOptions::default()) else { return };
    for (content, field) in [
        ("helmCharts: [{name: web}]\n", "helmCharts"),
        ("helmChartInflationGenerator: [{chartName: web}]\n", "helmChartInflationGenerator"),
        (
            "generators: ['{\"apiVersion\": \"builtin\", \"kind\": \"HelmChartInflationGenerator\", \"metadata\": \
             {\"name\": \"a\"}, \"name\": \"web\"}']\n",
            "HelmChartInflationGenerator",
        ),
    ] {
        let repo =
            Repo::new(&[("base/kustomization.yaml", content), ("k/kustomization.yaml", "resources: [../base]\n")]);
        let refusal = repo.refusal("k", &options);
        let words = format!("failed to render base/kustomization.yaml: it has {field}, and kustomize inflates");
        assert!(refusal.starts_with(&words) && refusal.contains("buildOptions.enableHelm"), "{refusal}");
    }
}

#[test]
fn what_differs_in_every_rendering_of_a_chart_is_opaque() {
    let Some(options) = with(WITH_HELM) else { return };
    let repo = Repo::new(&[
        ("charts/web/Chart.yaml", CHART),
        ("charts/web/values.yaml", ""),
        (
            "charts/web/templates/a.yaml",
            &format!("{CONFIG_MAP}  random: {{{{ randAlphaNum 20 }}}}\n  time: {{{{ now }}}}\n"),
        ),
        ("kustomization.yaml", "helmCharts: [{name: web, releaseName: r}]\n"),
    ]);
    let rendered = repo.render("", &options).unwrap();
    assert_eq!(rendered.opaque, ["v1 ConfigMap a: data.random", "v1 ConfigMap a: data.time"]);
}

#[test]
fn helm_in_a_kustomization_fetches_no_schema_and_starts_no_program() {
    let Some(options) = with(WITH_HELM) else { return };
    let repo = Repo::new(&[
        ("charts/web/Chart.yaml", CHART),
        ("charts/web/values.yaml", "size: 1\n"),
        ("charts/web/values.schema.json", "{\"$ref\": \"https://192.0.2.1/schema.json\"}"),
        ("charts/web/templates/a.yaml", CONFIG_MAP),
        ("kustomization.yaml", "helmCharts: [{name: web, releaseName: r}]\n"),
    ]);
    assert_eq!(objects(&repo.render("", &options).unwrap()).len(), 1);

    let folder = tempfile::tempdir().unwrap();
    let helm = folder.path().join("helm");
    let script = "#!/bin/sh\nif [ \"$1\" = version ]; then echo v4.0.0; exit; fi\n/bin/true && echo started\n";
    let mut writer = Command::new("sh");
    writer.args(["-c", "printf %s \"$2\" > \"$1\" && chmod 755 \"$1\"", "sh"]).arg(&helm).arg(script);
    assert!(writer.status().unwrap().success());
    let programs = Programs { helm: Some(helm), ..options.programs.clone() };
    let refusal = repo.refusal("", &RenderOptions { programs, ..options });
    assert_eq!(refusal, "failed to render kustomization.yaml: kubectl started another program, which it may not");
}

#[test]
fn files_of_other_folders_are_read_only_where_that_is_enabled() {
    let anywhere = KustomizeOptions { load_restrictor: LoadRestrictor::None, ..KustomizeOptions::default() };
    let (Some(options), Some(default)) = (with(anywhere), with(KustomizeOptions::default())) else { return };
    let repo = Repo::new(&[
        ("shared/a.yaml", CONFIG_MAP),
        ("shared/text", "text\n"),
        ("shared/env", "a=b\n"),
        ("shared/patch.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  two: \"2\"\n"),
        (
            "shared/labels.yaml",
            "apiVersion: builtin\nkind: LabelTransformer\nmetadata: {name: l}\nlabels: {a: b}\nfieldSpecs: [{path: metadata/labels, create: true}]\n",
        ),
        (
            "k/kustomization.yaml",
            "\
resources: [../shared/a.yaml]
patches: [{path: ../shared/patch.yaml}]
transformers: [../shared/labels.yaml]
configMapGenerator:
- {name: files, files: [../shared/text, 'other=../shared/text'], options: {disableNameSuffixHash: true}}
secretGenerator:
- {name: env, envs: [../shared/env]}
",
        ),
        ("out/kustomization.yaml", "resources: [../../a.yaml]\n"),
    ]);
    renders_the_same(&repo, "k", &options);
    assert!(repo.refusal("k", &default).contains("is not in or below"));
    assert_eq!(repo.refusal("out", &options), "failed to use out/../../a.yaml: it leads out of the repository");
    for (content, field) in [
        ("resources: [/etc/hostname]", "resources"),
        ("configMapGenerator: [{name: a, files: ['a=/etc/hostname']}]", "configMapGenerator"),
        ("secretGenerator: [{name: a, envs: [' /etc/hostname']}]", "secretGenerator"),
        ("patches: [{path: /etc/hostname}]", "patches"),
        ("openapi: {path: /etc/hostname}", "openapi"),
        ("crds: [/etc/hostname]", "crds"),
        ("generators: [/etc/hostname]", "generators"),
    ] {
        let repo = Repo::new(&[("kustomization.yaml", content)]);
        let refusal = repo.refusal("", &options);
        assert!(refusal.contains(&format!("/etc/hostname, which {field} of kustomization.yaml names")), "{refusal}");
    }
}
