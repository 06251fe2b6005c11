//! Sources: where their repositories are, which credentials their servers take, how they are rendered.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use super::values::KeyProblems;
use super::{file_format, is_label};
use crate::source::charts::{
    ChartAccess, ChartRepository, ChartRequest, ChartStore, RepositoryCredentials, VersionRange, is_chart_name,
};
use crate::source::render::{
    Capabilities, HelmOptions, KustomizeOptions, Limits, LoadRestrictor, Programs, RenderMode, RenderOptions, Renderer,
};
use crate::source::{Address, ChartSource, Credentials, FileFilter, RemoteRepository, RemoteUrl, SourceSpec};
use driftwall_core::desired::NamespaceScope;

/// Makes sources, with what they all share.
pub(super) struct SourceBuilder<'a> {
    /// The configuration's folder: what relative paths are relative to.
    folder: &'a Path,
    data_dir: PathBuf,
    max_mirror_bytes: u64,
    programs: Programs,
    limits: Limits,
    renderer: Option<Renderer>,
    charts: ChartAccess,
    /// The repositories on servers so far, each once.
    repositories: RefCell<Vec<RemoteRepository>>,
}

impl<'a> SourceBuilder<'a> {
    pub(super) fn new(
        folder: &'a Path,
        data_dir: &str,
        max_mirror_bytes: u64,
        programs: file_format::Programs,
        limits: Limits,
    ) -> Self {
        let file_format::Programs { kustomize, kubectl, helm } = programs;
        let at = |file: Option<String>| file.map(|file| folder.join(file));
        let programs = Programs { kustomize: at(kustomize), kubectl: at(kubectl), helm: at(helm), launcher: None };
        let data_dir = folder.join(data_dir);
        let charts = ChartAccess { store: ChartStore::new(&data_dir), credentials: Vec::new() };
        let repositories = RefCell::default();
        Self { folder, data_dir, max_mirror_bytes, programs, limits, renderer: None, charts, repositories }
    }

    /// With a renderer, if there is one, which renders all of them.
    pub(super) fn with_renderer(self, renderer: Option<Renderer>) -> Self {
        Self { renderer, ..self }
    }

    /// With the credentials of `repositories`.
    pub(super) fn with_repositories(
        mut self,
        repositories: &[file_format::Repository],
        problems: &mut KeyProblems,
    ) -> Self {
        for (index, file_format::Repository { url, auth }) in repositories.iter().enumerate() {
            let key = format!("repositories[{index}]");
            let Some(prefix) = chart_repository(&format!("{key}.url"), url, problems) else { continue };
            let credentials = self.credentials(auth);
            problems.check_at(&format!("{key}.auth"), prefix.check(&credentials));
            self.charts.credentials.push(RepositoryCredentials { prefix, credentials });
        }
        self
    }

    /// The source at `key`, made usable; `None` only after a problem was added.
    pub(super) fn build(
        &self,
        key: &str,
        source: &file_format::Source,
        problems: &mut KeyProblems,
    ) -> Option<SourceSpec> {
        let file_format::Source { name, repo, revision, path, namespace, include, exclude, priority, .. } = source;
        if path.split('/').any(|part| part == "..") {
            problems.add(format!("{key}.path"), format!("`{path}` leads out of the repository; write a path in it"));
        }
        problems.check_namespaces(&format!("{key}.namespaces"), &source.namespaces);
        if let Some(name) = namespace.as_ref().filter(|name| !is_label(name)) {
            problems
                .add(format!("{key}.namespace"), format!("`{name}` is no name of a namespace; write one such as prod"));
        }
        check_helm(&format!("{key}.helm"), &source.helm, problems);
        problems.check_globs(&format!("{key}.include"), include);
        problems.check_globs(&format!("{key}.exclude"), exclude);
        let has_globs = !include.is_empty() || !exclude.is_empty();
        if has_globs && matches!(source.render, file_format::Render::Helm | file_format::Render::Kustomize) {
            let given = if include.is_empty() { "exclude" } else { "include" };
            let message = "include and exclude choose among plain manifests, and this source is rendered; remove them";
            problems.add(format!("{key}.{given}"), message);
        }
        if source.allow_remote && self.renderer.is_some() {
            let message = "the renderer has no network; remove this and copy the bases in, or remove render.renderer";
            problems.add(format!("{key}.allowRemote"), message);
        }
        let is_built = source.build_options != file_format::BuildOptions::default();
        let may_be_kustomization =
            matches!(source.render, file_format::Render::Auto | file_format::Render::Kustomize) && !has_globs;
        let is_chart = source.chart.is_some() || repo.to_ascii_lowercase().starts_with("oci://");
        if is_built && (!may_be_kustomization || is_chart) {
            let message = "build options are for kustomizations, and this source is none; remove them";
            problems.add(format!("{key}.buildOptions"), message);
        }
        if is_chart {
            return self.build_chart(key, source, problems);
        }
        if source.version.is_some() {
            problems.add(format!("{key}.version"), "a version is of a chart; name it in chart, or write revision");
        }
        let address = problems.check_at(&format!("{key}.repo"), Address::parse(repo, self.folder))?;
        let files = FileFilter::new(include.clone(), exclude.clone()).ok()?;
        let scope = NamespaceScope::new(source.namespaces.clone()).ok()?;
        let local = SourceSpec {
            scope,
            // `include` or `exclude` implies plain manifests.
            render: self.render(source, has_globs),
            files,
            display_url: address.to_string(),
            revision: revision.clone(),
            // `./apps` and `apps/` are `apps`.
            path: path.split('/').filter(|part| !matches!(*part, "" | ".")).collect::<Vec<_>>().join("/"),
            namespace: namespace.clone(),
            priority: *priority,
            substitute: source.substitute,
            chart_access: Some(self.charts.clone()),
            ..SourceSpec::local(name, self.folder)
        };
        let credentials = self.credentials(&source.auth);
        let auth = format!("{key}.auth");
        match address {
            Address::Local(folder) => {
                if credentials != Credentials::default() {
                    problems.add(auth, "credentials are for repositories on servers, and this one is on this machine");
                }
                Some(SourceSpec { folder, display_url: repo.clone(), ..local })
            }
            Address::Remote(url) => {
                problems.check_at(&auth, credentials.check(&url));
                Some(local.mirrored(self.repository(url, credentials)))
            }
        }
    }

    /// A source that is a chart in a chart repository or registry.
    fn build_chart(&self, key: &str, source: &file_format::Source, problems: &mut KeyProblems) -> Option<SourceSpec> {
        let file_format::Source { name, repo, chart, version, namespace, priority, .. } = source;
        let before = problems.count();
        let for_git = [
            ("revision", source.revision != "HEAD", "write version"),
            ("path", !source.path.is_empty(), "remove it"),
            ("include", !source.include.is_empty(), "remove it"),
            ("exclude", !source.exclude.is_empty(), "remove it"),
            ("allowRemote", source.allow_remote, "remove it"),
        ];
        for (part, is_given, remedy) in for_git {
            if is_given {
                problems
                    .add(format!("{key}.{part}"), format!("{part} is for Git, and this source is a chart; {remedy}"));
            }
        }
        if matches!(source.render, file_format::Render::Plain | file_format::Render::Kustomize) {
            problems.add(format!("{key}.render"), "a chart is rendered by Helm; remove it, or write helm");
        }
        let repository = chart_repository(&format!("{key}.repo"), repo, problems);
        let range = version.as_deref().unwrap_or_default().parse::<VersionRange>();
        let range = problems.check_at(&format!("{key}.version"), range);
        let scope = NamespaceScope::new(source.namespaces.clone()).ok()?;
        let (repository, chart) = match (repository?, chart) {
            (repository, Some(chart)) => (repository, chart.clone()),
            (ChartRepository::Oci(path), None) => {
                let Some((folder, name)) = path.split() else {
                    problems.add(format!("{key}.chart"), "it is missing; name a chart of the registry");
                    return None;
                };
                (ChartRepository::Oci(folder), name.to_owned())
            }
            (ChartRepository::Http(_), None) => return None,
        };
        if !is_chart_name(&chart) {
            let message = format!("`{chart}` is no name of a chart; write one of letters, digits, `-`, `_` and `.`");
            problems.add(format!("{key}.chart"), message);
        }
        let own = self.credentials(&source.auth);
        problems.check_at(&format!("{key}.auth"), repository.check(&own));
        let credentials = if own == Credentials::default() {
            self.charts.credentials_for(&repository).cloned().unwrap_or_default()
        } else {
            own
        };
        let range = range.filter(|_| problems.count() == before)?;
        let request = ChartRequest { repository, name: chart, range, credentials };
        let spec = SourceSpec {
            scope,
            render: self.render(source, false),
            namespace: namespace.clone(),
            priority: *priority,
            substitute: source.substitute,
            chart_access: Some(self.charts.clone()),
            ..SourceSpec::local(name, self.folder)
        };
        Some(spec.of_chart(ChartSource { request, store: self.charts.store.clone() }))
    }

    /// The repository at an address, one for all sources with the same credentials.
    fn repository(&self, url: RemoteUrl, credentials: Credentials) -> RemoteRepository {
        let mut repositories = self.repositories.borrow_mut();
        let address = url.to_string();
        let mut number = 0;
        for known in repositories.iter().filter(|known| known.url.to_string() == address) {
            if (&known.url, &known.credentials) == (&url, &credentials) {
                return known.clone();
            }
            number += 1;
        }
        let new = RemoteRepository {
            max_bytes: self.max_mirror_bytes,
            number,
            ..RemoteRepository::new(url, credentials, &self.data_dir)
        };
        repositories.push(new.clone());
        new
    }

    fn credentials(&self, auth: &file_format::Auth) -> Credentials {
        let at = |file: &Option<String>| file.as_ref().map(|file| self.folder.join(file));
        Credentials {
            token: at(&auth.token_file),
            username: at(&auth.username_file),
            password: at(&auth.password_file),
            ssh_key: at(&auth.ssh_key_file),
            ssh_passphrase: at(&auth.ssh_passphrase_file),
            known_hosts: at(&auth.known_hosts_file),
            ca: at(&auth.ca_file),
        }
    }

    fn render(&self, source: &file_format::Source, is_plain: bool) -> RenderOptions {
        let file_format::Helm { release_name, values_files, values, kube_version, api_versions } = &source.helm;
        let release_name = if release_name.is_empty() { &source.name } else { release_name };
        RenderOptions {
            mode: match source.render {
                file_format::Render::Auto if is_plain => RenderMode::Plain,
                file_format::Render::Auto => RenderMode::Auto,
                file_format::Render::Helm => RenderMode::Helm,
                file_format::Render::Kustomize => RenderMode::Kustomize,
                file_format::Render::Plain => RenderMode::Plain,
            },
            helm: HelmOptions {
                release_name: release_name.clone(),
                namespace: source.namespace.clone().unwrap_or_default(),
                values_files: values_files.clone(),
                values: values.clone(),
                kube_version: kube_version.clone(),
                api_versions: api_versions.clone(),
                // Filled in by whoever has a cluster.
                cluster: Capabilities::default(),
            },
            kustomize: KustomizeOptions {
                enable_helm: source.build_options.enable_helm,
                load_restrictor: match source.build_options.load_restrictor {
                    file_format::LoadRestrictor::LoadRestrictionsRootOnly => LoadRestrictor::RootOnly,
                    file_format::LoadRestrictor::LoadRestrictionsNone => LoadRestrictor::None,
                },
            },
            allow_remote: source.allow_remote,
            programs: self.programs.clone(),
            limits: self.limits,
            renderer: self.renderer.clone(),
        }
    }
}

/// What Helm would refuse at each rendering.
fn check_helm(key: &str, helm: &file_format::Helm, problems: &mut KeyProblems) {
    let file_format::Helm { release_name, values, kube_version, .. } = helm;
    let is_name = release_name.len() <= 53 && release_name.split('.').all(is_label);
    if !release_name.is_empty() && !is_name {
        let message = format!("`{release_name}` is no name of a release; write one of small letters, such as prod");
        problems.add(format!("{key}.releaseName"), message);
    }
    if let Some(values) = values
        && !matches!(serde_saphyr::from_str(values), Ok(serde_json::Value::Object(_) | serde_json::Value::Null))
    {
        problems.add(format!("{key}.values"), "this is no mapping in YAML; write one such as `replicas: 3`");
    }
    let is_version = |text: &str| {
        let numbers = text.strip_prefix('v').unwrap_or(text).split(['-', '+']).next().unwrap_or_default();
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        (2..=3).contains(&numbers.split('.').count()) && numbers.split('.').all(is_number)
    };
    if let Some(version) = kube_version.as_ref().filter(|version| !is_version(version)) {
        problems.add(format!("{key}.kubeVersion"), format!("`{version}` is no version; write one such as 1.33.0"));
    }
}

/// The chart repository or registry at `key`; `None` only after a problem was added.
fn chart_repository(key: &str, url: &str, problems: &mut KeyProblems) -> Option<ChartRepository> {
    let parsed = ChartRepository::parse(url);
    problems.check_at(key, parsed.map_err(|reason| format!("this is no address of charts: {reason}")))
}
