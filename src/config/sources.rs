//! Sources: where their repositories are, what their servers ask for, how they
//! are rendered.

use std::path::{Path, PathBuf};

use super::wire;
use crate::source::render::{HelmOptions, Programs, RenderMode, RenderOptions};
use crate::source::{Address, Credentials, FileFilter, RemoteRepository, SourceSpec};

/// What all sources share.
pub(super) struct SourceBuilder<'a> {
    /// The configuration's folder: what relative paths are relative to.
    folder: &'a Path,
    data: PathBuf,
    programs: Programs,
}

impl<'a> SourceBuilder<'a> {
    pub(super) fn new(folder: &'a Path, data: &str, programs: wire::Programs) -> Self {
        let wire::Programs { kustomize, kubectl, helm } = programs;
        let at = |file: Option<String>| file.map(|file| folder.join(file));
        let programs = Programs { kustomize: at(kustomize), kubectl: at(kubectl), helm: at(helm) };
        Self { folder, data: folder.join(data), programs }
    }

    /// A source made usable; what is wrong with it otherwise.
    pub(super) fn build(&self, wire: &wire::Source) -> Result<SourceSpec, String> {
        let wire::Source { name, repo, revision, path, namespace, include, exclude, mode: _, .. } = wire;
        if name.is_empty() {
            return Err("its name is empty".into());
        }
        if path.split('/').any(|part| part == "..") {
            return Err(format!("its path `{path}` leaves the repository"));
        }
        let has_globs = !include.is_empty() || !exclude.is_empty();
        if has_globs && matches!(wire.render, wire::Render::Helm | wire::Render::Kustomize) {
            return Err("include and exclude choose among plain manifests; what is rendered decides itself".into());
        }
        let files = FileFilter::new(include.clone(), exclude.clone()).map_err(|error| error.to_string())?;
        let credentials = self.credentials(&wire.auth);
        let is_given = credentials != Credentials::default();
        let address = Address::parse(repo, self.folder).map_err(|error| error.to_string())?;
        let local = SourceSpec {
            // Whoever chooses files means plain ones.
            render: self.render(wire, has_globs),
            files,
            display_url: address.to_string(),
            revision: revision.clone(),
            path: path.clone(),
            namespace: namespace.clone(),
            priority: wire.priority,
            ..SourceSpec::local(name, self.folder)
        };
        match address {
            Address::Local(_) if is_given => {
                Err("auth is for repositories on servers; this one is on this machine".into())
            }
            Address::Local(folder) => Ok(SourceSpec { folder, display_url: repo.clone(), ..local }),
            Address::Remote(url) => {
                credentials.check(&url).map_err(|reason| format!("its auth cannot be used: {reason}"))?;
                Ok(local.mirrored(RemoteRepository { url, credentials, data_dir: self.data.clone() }))
            }
        }
    }

    fn credentials(&self, auth: &wire::Auth) -> Credentials {
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

    fn render(&self, source: &wire::Source, is_plain: bool) -> RenderOptions {
        let wire::Helm { release_name, values_files, values, kube_version, api_versions } = &source.helm;
        let release_name = if release_name.is_empty() { &source.name } else { release_name };
        RenderOptions {
            mode: match source.render {
                wire::Render::Auto if is_plain => RenderMode::Plain,
                wire::Render::Auto => RenderMode::Auto,
                wire::Render::Helm => RenderMode::Helm,
                wire::Render::Kustomize => RenderMode::Kustomize,
                wire::Render::Plain => RenderMode::Plain,
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
            ..RenderOptions::default()
        }
    }
}
