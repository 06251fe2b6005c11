//! Rendering: from a path of a commit that holds a kustomization or a Helm chart
//! to the objects that it declares, each with the file it comes from.
//!
//! ```text
//! plan     what is at the path, and all that it needs of the commit   tree, selection, kustomization
//!   → job      what a program is to do with it                        job, kustomize, helm
//!   → key      the same key, the same output: nothing to render       kept
//!   → output   a place in the queue                                   queue
//!              written to a temporary folder                          checkout
//!              rendered there, within limits                          programs, execute, subprocess, confinement
//!   → objects  compared with a second rendering (charts)              nondeterminism
//!              traced back to the repository's files                  provenance
//! ```
//!
//! What is rendered was written by whoever may write to the repository, so it is
//! not trusted: no program gets a network, a credential or a file from outside
//! the commit, unless the configuration allows remote bases.

mod archive;
mod capabilities;
mod checkout;
mod confinement;
mod dependencies;
mod end;
mod error;
mod execute;
mod fetched_chart;
mod helm;
mod helm_process;
mod job;
mod kept;
mod kustomization;
mod kustomization_charts;
mod kustomize;
mod nondeterminism;
mod output;
mod programs;
mod provenance;
mod queue;
mod renderer;
mod selection;
mod serving;
mod source_type;
mod subprocess;
pub(super) mod tree;
mod usage;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use git2::{ObjectType, Oid, Repository};

use dependencies::Dependencies;
use job::{Job, JobOutput, Tool};
use kustomization::KustomizationInputs;
use nondeterminism::{StableObjects, mask_differences};
use selection::Selection;
use source_type::detect_in;
use tree::{CommitFiles, FileEntry, join};

use super::reading_place::ReadingPlace;

use driftwall_core::manifest;
use driftwall_core::skipped::SkippedContent;

pub use archive::MAX_ARCHIVE_BYTES;
pub use capabilities::{Capabilities, ServedApis};
pub use confinement::{NOT_STARTED, become_program};
pub use error::RenderError;
pub(in crate::source) use fetched_chart::{FetchedChart, WantedChart};
pub use helm::HelmOptions;
pub use helm_process::become_helm;
pub use kustomize::{KustomizeOptions, LoadRestrictor};
pub use output::set_parallel;
pub use programs::{Program, Programs};
pub use renderer::{LENGTHS, PROGRAMS_PATH, RENDER_PATH, Renderer};
pub use serving::JobRunner;
pub(in crate::source) use source_type::type_by_file_name;
pub use source_type::{RenderMode, SourceType, detect};
pub use subprocess::Limits;

/// How a source is rendered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenderOptions {
    /// How its path is to be read.
    pub mode: RenderMode,
    /// How a chart is rendered.
    pub helm: HelmOptions,
    /// How a kustomization is built.
    pub kustomize: KustomizeOptions,
    /// Whether kustomizations may refer to other repositories and to URLs.
    pub allow_remote: bool,
    /// Where the programs are.
    pub programs: Programs,
    /// How much a program may use.
    pub limits: Limits,
    /// Where programs run; here, without one.
    pub renderer: Option<Renderer>,
}

impl RenderOptions {
    /// The program that a source needs by its mode, to be checked at the start;
    /// `None` where it depends on what the path holds.
    ///
    /// # Errors
    ///
    /// There is none, or it cannot be run.
    pub fn program(&self) -> Result<Option<Program>, RenderError> {
        match self.mode {
            // A renderer may be away for a while.
            _ if self.renderer.is_some() => Ok(None),
            RenderMode::Auto | RenderMode::Plain => Ok(None),
            RenderMode::Helm => self.programs.for_charts().map(Some),
            RenderMode::Kustomize => self.programs.for_kustomizations().map(Some),
        }
    }

    fn tool(&self, tool: Tool) -> Result<Program, RenderError> {
        match (&self.renderer, tool) {
            (Some(renderer), tool) => renderer.program(tool),
            (None, Tool::Helm) => self.programs.for_charts(),
            (None, Tool::Kustomize) => self.programs.for_kustomizations(),
        }
    }
}

/// What was rendered, in order.
#[derive(Debug)]
pub struct Rendered {
    /// The objects by the file that they come from; their positions are in that file.
    pub files: Vec<(Arc<str>, Vec<manifest::Object>)>,
    /// What the program printed.
    pub output: Vec<u8>,
    /// What was rendered by which program.
    pub by: RenderedBy,
    /// The fields that every rendering generates anew: their values are not known from Git.
    pub opaque: Vec<String>,
    /// Which objects were left out, and why.
    pub warnings: Vec<String>,
    /// How long it took.
    pub duration: Duration,
    /// While the objects are there, no other large output becomes objects.
    _place: ReadingPlace,
}

/// What was rendered by which program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedBy {
    /// The program.
    pub program: Program,
    /// The kustomization's or chart's file.
    pub file: String,
}

/// All that a rendering needs, found in the commit but not yet written or run.
pub struct RenderPlan<'r, 'o> {
    files: CommitFiles<'r>,
    options: &'o RenderOptions,
    program: Program,
    /// The Helm that kustomize may run.
    helm: Option<Program>,
    folder: FileEntry,
    /// The kustomization's or chart's file.
    file: String,
    selection: Selection,
    job: Job,
    inputs: PlanInputs,
    /// What a chart depends on beyond its own folder.
    dependencies: Dependencies,
    /// The charts that must be fetched before it is rendered.
    wanted_charts: Vec<WantedChart>,
}

enum PlanInputs {
    Chart,
    Kustomization(Box<KustomizationInputs>),
}

/// Renders what is at `path` in the tree of a commit; `None` for plain manifests.
///
/// # Errors
///
/// Something that is needed is not there, or the program fails.
pub fn render(
    git: &Repository,
    root_tree: Oid,
    path: &str,
    options: &RenderOptions,
    cancel: &AtomicBool,
) -> Result<Option<Rendered>, RenderError> {
    let Some(plan) = plan(git, root_tree, path, options)? else { return Ok(None) };
    let rendered = plan.render("", cancel)?;
    // The caller may hold several at once.
    Ok(Some(Rendered { _place: ReadingPlace::default(), ..rendered }))
}

/// Finds what a rendering of `path` needs; `None` for plain manifests.
///
/// # Errors
///
/// Something that is needed is not there.
pub fn plan<'r, 'o>(
    git: &'r Repository,
    root_tree: Oid,
    path: &str,
    options: &'o RenderOptions,
) -> Result<Option<RenderPlan<'r, 'o>>, RenderError> {
    let files = CommitFiles::new(git, root_tree)?;
    let Some(folder) = files.find(path)?.filter(|entry| entry.is_folder) else {
        // A file, or nothing: what reads plain manifests reports it.
        return match options.mode {
            RenderMode::Auto | RenderMode::Plain => Ok(None),
            RenderMode::Helm => Err(not_found(path, helm::CHART_FILE)),
            RenderMode::Kustomize => Err(not_found(path, kustomization::FILE_NAMES[0])),
        };
    };
    let source_type = match options.mode {
        RenderMode::Auto => detect_in(&files, &folder)?,
        RenderMode::Helm => SourceType::Helm,
        RenderMode::Kustomize => SourceType::Kustomize,
        RenderMode::Plain => SourceType::Plain,
    };
    let mut selection = Selection::default();
    let mut dependencies = Dependencies::default();
    let wanted_charts;
    let mut helm = None;
    let (program, file, job, inputs) = match source_type {
        SourceType::Plain => return Ok(None),
        SourceType::Kustomize => {
            let inputs = kustomization::collect_inputs(&files, &folder, options)?;
            if inputs.root_file.is_empty() {
                return Err(not_found(path, kustomization::FILE_NAMES[0]));
            }
            for entry in [&inputs.folders, &inputs.resources, &inputs.patches, &inputs.files].into_iter().flatten() {
                selection.add(&files, entry)?;
            }
            wanted_charts = kustomization_charts::wanted(&files, &inputs.charts, &mut selection)?;
            let file = inputs.root_file.clone();
            let program = options.tool(Tool::Kustomize)?;
            if options.kustomize.enable_helm {
                helm = Some(options.tool(Tool::Helm)?);
            }
            let job = kustomize::job(&folder.path, &program, options.kustomize, &options.helm);
            (program, file, job, PlanInputs::Kustomization(Box::new(inputs)))
        }
        SourceType::Helm => {
            if files.find_from(&folder.path, helm::CHART_FILE)?.is_none() {
                return Err(not_found(path, helm::CHART_FILE));
            }
            let values_files = helm::values_files(&files, &folder.path, &options.helm)?;
            for entry in [&folder].into_iter().chain(&values_files) {
                selection.add(&files, entry)?;
            }
            dependencies = dependencies::collect(&files, &folder, &mut selection)?;
            let to_fetch = std::mem::take(&mut dependencies.to_fetch);
            wanted_charts = to_fetch.into_iter().map(WantedChart::of_chart).collect();
            let file = join(&folder.path, helm::CHART_FILE);
            let program = options.tool(Tool::Helm)?;
            let job = helm::job(&folder.path, &values_files, &options.helm, &program);
            (program, file, job, PlanInputs::Chart)
        }
    };
    Ok(Some(RenderPlan {
        files,
        options,
        program,
        helm,
        folder,
        file,
        selection,
        job,
        inputs,
        dependencies,
        wanted_charts,
    }))
}

fn not_found(path: &str, file: &str) -> RenderError {
    RenderError::FileNotFound { file: join(path.trim_matches('/'), file), wanted_by: "render".into() }
}

impl RenderPlan<'_, '_> {
    /// The charts that must be fetched, and given to [`Self::add_chart`], before it is rendered.
    pub(in crate::source) fn wanted_charts(&self) -> &[WantedChart] {
        &self.wanted_charts
    }

    /// Gives it a chart that it wants.
    pub(in crate::source) fn add_chart(&mut self, wanted: &WantedChart, chart: FetchedChart) {
        let folder = match &wanted.folder {
            Some(folder) => folder.clone(),
            None => dependencies::place(&self.selection, &self.folder.path, &wanted.dependency.name),
        };
        self.selection.add_chart(folder, chart);
    }

    /// Identifies the files, the options and the program: under the same
    /// key the same is rendered. (Bases in other repositories are not part of it.)
    pub fn key(&self) -> String {
        let Self { options, program, helm, selection, job, .. } = self;
        let programs: Vec<_> =
            [program].into_iter().chain(helm).map(|program| format!("{program} {}", program.path.display())).collect();
        let text = format!("{}\n{job:?} {}\n{}", programs.join("\n"), options.allow_remote, selection.key());
        match Oid::hash_object(ObjectType::Blob, text.as_bytes()) {
            Ok(hash) => hash.to_string(),
            // The text itself identifies it as well.
            Err(_) => text,
        }
    }

    /// What of the folders that it needs is not there for the program to read, and
    /// which API versions a chart asks for in vain.
    ///
    /// # Errors
    ///
    /// libgit2 cannot read a file.
    pub fn skipped(&self) -> Result<SkippedContent, RenderError> {
        let mut skipped = self.selection.skipped(&self.files)?;
        if matches!(self.inputs, PlanInputs::Chart) || self.helm.is_some() {
            helm::add_unknown_api_versions(self, &mut skipped)?;
        }
        Ok(skipped)
    }

    /// Renders for a source. Blocks; a running program is stopped soon after `cancel` is set.
    ///
    /// # Errors
    ///
    /// The program fails, or exceeds its limits.
    pub fn render(&self, source: &str, cancel: &AtomicBool) -> Result<Rendered, RenderError> {
        let start = Instant::now();
        let rendered = match &self.inputs {
            PlanInputs::Chart => helm::render(self, source, cancel)?,
            PlanInputs::Kustomization(inputs) => kustomize::render(self, inputs, source, cancel)?,
        };
        Ok(Rendered { duration: start.elapsed(), ..rendered })
    }

    /// The objects in what the program printed.
    fn parse(&self, output: &[u8]) -> Result<Vec<manifest::Object>, RenderError> {
        let manifest::ParsedFile { objects, errors, .. } = manifest::parse("its output", output);
        if errors.is_empty() {
            return Ok(objects);
        }
        Err(RenderError::InvalidOutput { file: self.file.clone(), program: self.program.name, errors })
    }

    /// These objects, without what the second rendering has otherwise.
    fn stable_objects<T>(
        &self,
        objects: Vec<(T, manifest::Object)>,
        output: &JobOutput,
    ) -> Result<StableObjects<T>, RenderError> {
        Ok(match &output.second {
            Some(second) => mask_differences(objects, self.parse(second)?),
            None => StableObjects { objects, opaque: Vec::new(), warnings: Vec::new() },
        })
    }

    fn rendered(
        &self,
        output: &JobOutput,
        objects: Vec<(Arc<str>, manifest::Object)>,
        place: ReadingPlace,
    ) -> Rendered {
        let mut files: Vec<(Arc<str>, Vec<manifest::Object>)> = Vec::new();
        for (file, object) in objects {
            match files.last_mut() {
                Some((last, objects)) if *last == file => objects.push(object),
                _ => files.push((file, vec![object])),
            }
        }
        let by = RenderedBy { program: self.program.clone(), file: self.file.clone() };
        Rendered {
            files,
            output: output.first.clone(),
            by,
            opaque: Vec::new(),
            warnings: Vec::new(),
            duration: Duration::ZERO,
            _place: place,
        }
    }
}
