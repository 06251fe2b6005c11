//! `driftwall break-glass`: in an emergency, allows drift of some objects for a limited time.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use jiff::{SignedDuration, Timestamp, Unit};

use super::output::print;
use crate::cluster::break_glass::{self, BreakGlassRequest, CreatedBreakGlass};
use crate::config::is_label;
use driftwall_core::policy::BreakGlassError;

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
        let until = SignedDuration::try_from(duration).ok().and_then(|duration| now.checked_add(duration).ok());
        let until = until.context("failed to use --for: it is too long; write a duration such as 30m or 2h")?;
        let request = BreakGlassRequest {
            namespace,
            objects: objects.clone(),
            users,
            groups: groups.clone(),
            reason,
            until,
            dry_run,
        };
        // A typo is told at once, whether the cluster can be reached or not.
        if let Err(error) = request.check(now) {
            bail!("failed to use {}: {error}", flag_of(&error));
        }
        if let Some(namespace) = request.namespace.as_ref().filter(|name| !is_label(name)) {
            bail!("failed to use --namespace: `{namespace}` is no name of a namespace");
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let CreatedBreakGlass { namespace, name, users } = runtime.block_on(break_glass::create(context, request))?;
        let objects: Vec<_> = objects.iter().map(|(kind, name)| format!("{kind}/{name}")).collect();
        let mut allowed = users;
        allowed.extend(groups.into_iter().map(|group| format!("members of {group}")));
        let done = if dry_run { "would be created" } else { "created" };
        print(format_args!(
            "breakglass.driftwall.io/{name} {done}: until {until}, drift of {} in {namespace} by {} is allowed.",
            objects.join(", "),
            allowed.join(", "),
        ))?;
        print(
            "Pause the sync of Argo CD or Flux first, or it will undo your change. Commit the change to Git afterwards.",
        )?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What of the command line a field of a `BreakGlass` is made from.
fn flag_of(error: &BreakGlassError) -> &'static str {
    match error.field() {
        "spec.objects" => "KIND/NAME",
        "spec.reason" => "--reason",
        "spec.until" => "--for",
        "spec.users" => "--user",
        _ => "the command line",
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
