//! `driftwall break-glass`: in an emergency, allows drift of some objects for a limited time.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp, Unit};

use crate::cluster::break_glass::{self, BreakGlassRequest, CreatedBreakGlass};

#[derive(Args, Debug)]
pub(super) struct BreakGlass {
    /// Objects that may drift, as kind/name; each part may be a glob (deployment/web-*)
    #[arg(required = true, value_name = "KIND/NAME", value_parser = parse_object)]
    objects: Vec<(String, String)>,
    /// Namespace of the objects (default: the kubeconfig's). For cluster-scoped objects, driftwall's own
    #[arg(long, short)]
    namespace: Option<String>,
    /// Why; shown to everybody who looks at the `BreakGlass`
    #[arg(long)]
    reason: String,
    /// How long drift is allowed, such as 30m or 2h
    #[arg(long = "for", value_name = "DURATION", default_value = "1h", value_parser = parse_duration)]
    duration: Duration,
    /// User whose drift is allowed; may be repeated (default: you, if no group is given either)
    #[arg(long = "user", value_name = "NAME")]
    users: Vec<String>,
    /// Group whose members' drift is allowed; may be repeated
    #[arg(long = "group", value_name = "NAME")]
    groups: Vec<String>,
    /// Context of the kubeconfig (default: the current one)
    #[arg(long)]
    context: Option<String>,
    /// Only check whether the `BreakGlass` would be accepted
    #[arg(long)]
    dry_run: bool,
}

impl BreakGlass {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { objects, namespace, reason, duration, users, groups, context, dry_run } = self;
        let now = Timestamp::now().round(Unit::Second)?;
        let until = now.checked_add(SignedDuration::try_from(duration)?)?;
        let request = BreakGlassRequest {
            namespace,
            objects: objects.clone(),
            users,
            groups: groups.clone(),
            reason,
            until,
            dry_run,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let CreatedBreakGlass { namespace, name, users } = runtime.block_on(break_glass::create(context, request))?;
        let objects: Vec<_> = objects.iter().map(|(kind, name)| format!("{kind}/{name}")).collect();
        let mut allowed = users;
        allowed.extend(groups.into_iter().map(|group| format!("members of {group}")));
        let done = if dry_run { "would be created" } else { "created" };
        anstream::println!(
            "breakglass.driftwall.io/{name} {done}: until {until}, drift of {} in {namespace} by {} is allowed.",
            objects.join(", "),
            allowed.join(", "),
        );
        anstream::println!(
            "Pause the sync of Argo CD or Flux first, or it will undo your change. Commit the change to Git afterwards."
        );
        Ok(ExitCode::SUCCESS)
    }
}

fn parse_object(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((kind, name)) if !kind.is_empty() && !name.is_empty() => Ok((kind.to_owned(), name.to_owned())),
        _ => Err("write kind/name, such as deployment/web".into()),
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration = text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    match duration {
        Some(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("write a duration such as 30m or 2h".into()),
    }
}
