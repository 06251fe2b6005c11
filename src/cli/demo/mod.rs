//! `driftwall demo`: what driftwall does, shown on this machine and without a
//! cluster. The repository, the server, its certificate and the reviews are real; what
//! is printed is what the server answered.

mod cluster;
mod transcript;

use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;

use cluster::DemoCluster;
use transcript as out;

#[derive(Args, Debug)]
pub(super) struct Demo {}

impl Demo {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Self {} = self;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(run())?;
        Ok(ExitCode::SUCCESS)
    }
}

const PATCH: &str = r#"kubectl patch deployment python-app-prod -n prod --patch '{"spec":{"replicas": 7}}'"#;
const SCALE: &str = "kubectl scale deployment python-app-prod -n prod --replicas=5";

async fn run() -> anyhow::Result<()> {
    let (mut cluster, server) = DemoCluster::start().await?;
    let script = async {
        out::opening(&cluster)?;

        out::chapter("enforce", "drift is denied")?;
        out::command(PATCH, &cluster.send("patch").await?)?;
        out::command(SCALE, &cluster.send("scale").await?)?;
        out::command(
            "kubectl delete pod -n prod python-app-prod-7d979486df-92jq6",
            &cluster.send("delete-pod").await?,
        )?;
        out::event("the ReplicaSet creates a new pod", &cluster.send("replicaset").await?)?;
        out::event("the HorizontalPodAutoscaler scales `web` from 2 to 4", &cluster.send("autoscaler").await?)?;
        out::event("Argo CD syncs `python-app-prod`", &cluster.send("argocd").await?)?;
        out::command(
            r#"kubectl patch deployment python-app-prod -n prod --dry-run=server --patch '{"spec":{"replicas": 9}}'"#,
            &cluster.send("dry-run").await?,
        )?;

        cluster.set_mode("warn")?;
        out::chapter("warn", "drift is allowed, with a warning to the user")?;
        out::command(PATCH, &cluster.send("patch").await?)?;

        cluster.set_mode("audit")?;
        out::chapter("audit", "drift is allowed silently; the API server's audit log records it")?;
        out::command(PATCH, &cluster.send("patch").await?)?;

        cluster.set_mode("enforce")?;
        let commit = cluster.commit("replicas: 3", "replicas: 7", "Run seven replicas")?;
        out::chapter("enforce", "the right way to make a change is Git")?;
        out::done(r#"git commit -am "Run seven replicas""#, &format!("[main {commit}] Run seven replicas"))?;
        out::command(PATCH, &cluster.send("patch").await?)?;

        out::counters(&cluster.metrics().await?)?;
        Ok(())
    };
    tokio::select! {
        shown = script => shown,
        ended = server => match ended {
            Ok(()) => Err(anyhow!("failed to keep serving: the server ended")),
            Err(error) => Err(error.into()),
        },
    }
}
