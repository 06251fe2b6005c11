//! `driftwall break-glass`: in an emergency, lets drift of some objects pass for a while.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp, Unit};

use super::Failure;
use crate::cluster::break_glass::{self, Created, Request};

#[derive(Args, Debug)]
pub(super) struct BreakGlass {
    /// The objects, as kind/name; each part may be a glob (deployment/web-*)
    #[arg(required = true, value_name = "KIND/NAME", value_parser = object)]
    objects: Vec<(String, String)>,
    /// Their namespace; driftwall's own for objects that have none. The kubeconfig's, where left out
    #[arg(long, short)]
    namespace: Option<String>,
    /// Why, for whoever reads it later
    #[arg(long)]
    reason: String,
    /// For how long
    #[arg(long = "for", value_name = "DURATION", default_value = "1h", value_parser = duration)]
    duration: Duration,
    /// For whom; you, where neither users nor groups are named
    #[arg(long = "user", value_name = "NAME")]
    users: Vec<String>,
    /// For members of which groups
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// The context of the kubeconfig; its current one where left out
    #[arg(long)]
    context: Option<String>,
    /// Only ask whether it would be let through
    #[arg(long)]
    dry_run: bool,
}

impl BreakGlass {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let Self { objects, namespace, reason, duration, users, groups, context, dry_run } = self;
        let now = Timestamp::now().round(Unit::Second)?;
        let until = now.checked_add(SignedDuration::try_from(duration)?)?;
        let request =
            Request { namespace, objects: objects.clone(), users, groups: groups.clone(), reason, until, dry_run };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let Created { namespace, name, users } = runtime.block_on(break_glass::create(context, request))?;
        let objects: Vec<_> = objects.iter().map(|(kind, name)| format!("{kind}/{name}")).collect();
        let who: Vec<_> =
            users.into_iter().chain(groups.into_iter().map(|group| format!("members of {group}"))).collect();
        let done = if dry_run { "would be created" } else { "created" };
        anstream::println!(
            "breakglass.driftwall.io/{name} {done}: until {until}, drift of {} in {namespace} by {} passes.",
            objects.join(", "),
            who.join(", "),
        );
        anstream::println!(
            "Pause the sync of Argo CD or Flux first, or it undoes the change. Bring the change to Git after."
        );
        Ok(ExitCode::SUCCESS)
    }
}

fn object(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((kind, name)) if !kind.is_empty() && !name.is_empty() => Ok((kind.to_owned(), name.to_owned())),
        _ => Err("write kind/name, such as deployment/web".into()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    parsed.filter(|duration| !duration.is_zero()).ok_or_else(|| "write a duration such as 30m or 2h".into())
}
