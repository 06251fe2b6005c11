//! Sources: where their repositories are, which credentials their servers take, how they are rendered.

use std::path::{Path, PathBuf};

use super::file_format;
use super::values::KeyProblems;
use crate::source::render::{HelmOptions, Limits, Programs, RenderMode, RenderOptions};
use crate::source::{Address, Credentials, FileFilter, RemoteRepository, SourceSpec};
use driftwall_core::desired::NamespaceScope;

/// Makes sources, with what they all share.
pub(super) struct SourceBuilder<'a> {
    /// The configuration's folder: what relative paths are relative to.
    folder: &'a Path,
    data_dir: PathBuf,
    programs: Programs,
    limits: Limits,
}

impl<'a> SourceBuilder<'a> {
    pub(super) fn new(folder: &'a Path, data_dir: &str, programs: file_format::Programs, limits: Limits) -> Self {
        let file_format::Programs { kustomize, kubectl, helm } = programs;
        let at = |file: Option<String>| file.map(|file| folder.join(file));
        let programs = Programs { kustomize: at(kustomize), kubectl: at(kubectl), helm: at(helm), launcher: None };
        Self { folder, data_dir: folder.join(data_dir), programs, limits }
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
        problems.check_globs(&format!("{key}.namespaces"), &source.namespaces);
        problems.check_globs(&format!("{key}.include"), include);
        problems.check_globs(&format!("{key}.exclude"), exclude);
        let has_globs = !include.is_empty() || !exclude.is_empty();
        if has_globs && matches!(source.render, file_format::Render::Helm | file_format::Render::Kustomize) {
            let given = if include.is_empty() { "exclude" } else { "include" };
            let message = "include and exclude choose among plain manifests, and this source is rendered; remove them";
            problems.add(format!("{key}.{given}"), message);
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
                Some(local.mirrored(RemoteRepository { url, credentials, data_dir: self.data_dir.clone() }))
            }
        }
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
            },
            allow_remote: source.allow_remote,
            programs: self.programs.clone(),
            limits: self.limits,
        }
    }
}
