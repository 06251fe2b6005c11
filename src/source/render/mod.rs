//! Rendering: from a path of a commit that holds a kustomization or a Helm chart
//! to the objects that it declares, each with the file it comes from.
//!
//! ```text
//! plan     what is there, and all that it needs of the commit   tree, kustomization
//!   → key      the same key, the same objects: nothing to render
//!   → render   written to a temporary folder                       checkout
//!              run there, bounded                                  programs, child, kustomize, helm
//!              held against a second rendering (charts)            twice
//!              found again in the repository's files               origin
//! ```
//!
//! What is rendered was written by whoever may write to the repository, so it is
//! not trusted: no program gets a network, a credential or a file from outside
//! the commit, unless the configuration allows remote bases.

mod checkout;
mod error;
mod helm;
mod kustomization;
mod kustomize;
mod nondeterminism;
mod programs;
mod provenance;
mod subprocess;
mod tree;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use git2::Oid;

use checkout::{Checkout, Selection};
use kustomization::Sources;
use subprocess::{Ended, Job};
use tree::{Files, Found, join};

use driftwall_core::manifest;

pub use error::RenderError;
pub use helm::HelmOptions;
pub use programs::{Program, Programs};

/// What a source's path is taken for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Render {
    /// What is there decides.
    #[default]
    Auto,
    /// Manifests, read as they are.
    Plain,
    /// A kustomization.
    Kustomize,
    /// A Helm chart.
    Helm,
}

/// What a path holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Helm chart.
    Helm,
    /// A kustomization.
    Kustomize,
    /// Manifests.
    Plain,
}

/// How a source is rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderOptions {
    /// What its path is taken for.
    pub render: Render,
    /// How a chart is rendered.
    pub helm: HelmOptions,
    /// Whether kustomizations may name what is in other repositories.
    pub allow_remote: bool,
    /// Where the programs are.
    pub programs: Programs,
    /// How long a program may run.
    pub time_limit: Duration,
    /// How many bytes a program may print.
    pub output_limit: usize,
}

impl RenderOptions {
    /// The program that a source needs which says how it is rendered; `None`
    /// where what is there decides. For a look at start-up.
    pub fn program(&self) -> Result<Option<Program>, RenderError> {
        match self.render {
            Render::Auto | Render::Plain => Ok(None),
            Render::Helm => self.programs.for_charts().map(Some),
            Render::Kustomize => self.programs.for_kustomizations().map(Some),
        }
    }
}

/// What came out, in order.
#[derive(Debug)]
pub struct Rendered {
    /// The objects, each with the file that it comes from; its marks are lines
    /// of that file.
    pub files: Vec<(Arc<str>, Vec<manifest::Object>)>,
    /// What the program printed.
    pub text: Vec<u8>,
    /// Who rendered what.
    pub by: RenderedBy,
    /// The fields that every rendering makes anew: Git does not tell them.
    pub opaque: Vec<String>,
    /// What was left out, and why.
    pub warnings: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// Who rendered what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedBy {
    /// The program.
    pub program: Program,
    /// The kustomization's or chart's file.
    pub file: String,
}

/// All that a render needs, looked up but not yet written or run.
pub struct Plan<'r, 'o> {
    files: Files<'r>,
    options: &'o RenderOptions,
    program: Program,
    folder: Found,
    file: String,
    selection: Selection,
    what: What,
}

enum What {
    Chart { values: Vec<Found> },
    Kustomization(Sources),
}

impl Default for RenderOptions {
    fn default() -> Self {
        Self {
            render: Render::Auto,
            helm: HelmOptions::default(),
            allow_remote: false,
            programs: Programs::default(),
            time_limit: Duration::from_mins(1),
            output_limit: 64 << 20,
        }
    }
}

/// What `path` holds in the tree of a commit.
pub fn detect(git: &git2::Repository, root_tree: Oid, path: &str) -> Result<Kind, RenderError> {
    let files = Files::new(git, root_tree)?;
    let found = files.find(path)?.filter(|found| found.is_folder);
    found.map_or(Ok(Kind::Plain), |folder| detect_in(&files, &folder))
}

fn detect_in(files: &Files<'_>, folder: &Found) -> Result<Kind, RenderError> {
    if kustomization::file_in(files, &folder.path)?.is_some() {
        return Ok(Kind::Kustomize);
    }
    let chart = files.find_from(&folder.path, helm::CHART)?;
    Ok(if chart.is_some_and(|found| !found.is_folder) { Kind::Helm } else { Kind::Plain })
}

/// Renders what is at `path` in the tree of a commit; `None` for plain manifests.
pub fn render(
    git: &git2::Repository,
    root_tree: Oid,
    path: &str,
    options: &RenderOptions,
    cancel: &AtomicBool,
) -> Result<Option<Rendered>, RenderError> {
    plan(git, root_tree, path, options)?.map(|plan| plan.render(cancel)).transpose()
}

/// Looks up what a render of `path` needs; `None` for plain manifests.
pub fn plan<'r, 'o>(
    git: &'r git2::Repository,
    root_tree: Oid,
    path: &str,
    options: &'o RenderOptions,
) -> Result<Option<Plan<'r, 'o>>, RenderError> {
    let files = Files::new(git, root_tree)?;
    let Some(folder) = files.find(path)?.filter(|found| found.is_folder) else {
        // A file, or nothing: whoever reads plain manifests knows what to say.
        return match options.render {
            Render::Auto | Render::Plain => Ok(None),
            Render::Helm => Err(missing(path, helm::CHART)),
            Render::Kustomize => Err(missing(path, kustomization::NAMES[0])),
        };
    };
    let kind = match options.render {
        Render::Auto => detect_in(&files, &folder)?,
        Render::Helm => Kind::Helm,
        Render::Kustomize => Kind::Kustomize,
        Render::Plain => Kind::Plain,
    };
    let mut selection = Selection::default();
    let (program, file, what) = match kind {
        Kind::Plain => return Ok(None),
        Kind::Kustomize => {
            let sources = kustomization::follow(&files, &folder, options.allow_remote)?;
            if sources.top.is_empty() {
                return Err(missing(path, kustomization::NAMES[0]));
            }
            for found in [&sources.folders, &sources.resources, &sources.patches].into_iter().flatten() {
                selection.add(&files, found)?;
            }
            (options.programs.for_kustomizations()?, sources.top.clone(), What::Kustomization(sources))
        }
        Kind::Helm => {
            if files.find_from(&folder.path, helm::CHART)?.is_none() {
                return Err(missing(path, helm::CHART));
            }
            let values = helm::values(&files, &folder.path, &options.helm)?;
            for found in [&folder].into_iter().chain(&values) {
                selection.add(&files, found)?;
            }
            (options.programs.for_charts()?, join(&folder.path, helm::CHART), What::Chart { values })
        }
    };
    Ok(Some(Plan { files, options, program, folder, file, selection, what }))
}

fn missing(path: &str, file: &str) -> RenderError {
    RenderError::Missing { file: join(path.trim_matches('/'), file), wanted_by: "render".into() }
}

impl Plan<'_, '_> {
    /// The same for the same files, options and version of the program: what was
    /// rendered under this key need not be rendered again. (Bases in other
    /// repositories are not in it.)
    pub fn key(&self) -> String {
        let Self { options, program, folder, selection, .. } = self;
        let RenderOptions { render, helm, allow_remote, .. } = options;
        let all = format!("{program}\n{}\n{render:?} {helm:?} {allow_remote}\n{}", folder.path, selection.key());
        let hashed = Oid::hash_object(git2::ObjectType::Blob, all.as_bytes());
        hashed.map_or(all, |id| id.to_string())
    }

    /// Renders it. Blocks; a program that runs is stopped soon after `cancel` is set.
    pub fn render(&self, cancel: &AtomicBool) -> Result<Rendered, RenderError> {
        let start = Instant::now();
        let rendered = match &self.what {
            What::Chart { values } => helm::render(self, values, cancel)?,
            What::Kustomization(sources) => kustomize::render(self, sources, cancel)?,
        };
        Ok(Rendered { took: start.elapsed(), ..rendered })
    }

    /// The kustomization's or chart's file.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The program that renders.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Runs the program in the folder; what it printed.
    fn run(&self, checkout: &Checkout, arguments: &[String], cancel: &AtomicBool) -> Result<Vec<u8>, RenderError> {
        let Self { options, program, file, .. } = self;
        let file = || file.clone();
        let job = Job {
            program: &program.path,
            arguments,
            folder: &checkout.root.join(&self.folder.path),
            home: &checkout.home,
            limit: options.time_limit,
            output: options.output_limit,
            remote: options.allow_remote,
            cancel,
        };
        let ended = subprocess::run(&job);
        let ended = ended
            .map_err(|reason| RenderError::Folder { action: format!("run {}", program.path.display()), reason })?;
        match ended {
            Ended::Done(output) => Ok(output),
            Ended::Cancelled => Err(RenderError::Cancelled { file: file(), program: program.name }),
            Ended::TooLong => Err(RenderError::Slow { file: file(), program: program.name, limit: options.time_limit }),
            Ended::TooMuch => {
                Err(RenderError::Endless { file: file(), program: program.name, limit: options.output_limit })
            }
            Ended::Failed(status, words) => Err(match helm::missing_dependencies(&words) {
                Some(missing) => RenderError::Dependencies { file: file(), missing },
                None => RenderError::Refused {
                    file: file(),
                    program: program.to_string(),
                    words: last_lines(&checkout.shown(&words)).unwrap_or_else(|| status.to_string()),
                },
            }),
        }
    }

    /// The objects in what the program printed.
    fn read(&self, text: &[u8]) -> Result<Vec<manifest::Object>, RenderError> {
        let manifest::ParsedFile { objects, errors, .. } = manifest::parse("its output", text);
        if errors.is_empty() {
            return Ok(objects);
        }
        Err(RenderError::Output { file: self.file.clone(), program: self.program.name, errors })
    }

    fn rendered(&self, text: Vec<u8>, objects: Vec<(Arc<str>, manifest::Object)>) -> Rendered {
        let mut files: Vec<(Arc<str>, Vec<manifest::Object>)> = Vec::new();
        for (file, object) in objects {
            match files.last_mut() {
                Some((last, objects)) if *last == file => objects.push(object),
                _ => files.push((file, vec![object])),
            }
        }
        let by = RenderedBy { program: self.program.clone(), file: self.file.clone() };
        Rendered { files, text, by, opaque: Vec::new(), warnings: Vec::new(), took: Duration::ZERO }
    }
}

/// The end of what a program said: as much as fits into a message.
fn last_lines(words: &str) -> Option<String> {
    const MAX_LINES: usize = 8;
    const MAX_LINE: usize = 400;
    let lines: Vec<_> = words.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let lines = lines[lines.len().saturating_sub(MAX_LINES)..].iter();
    let lines: Vec<String> = lines.map(|line| line.chars().take(MAX_LINE).collect()).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}
