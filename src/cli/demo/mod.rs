//! `driftwall demo`: the story, on this machine, without a cluster. The
//! repository, the server, its certificate and the reviews are real; what is
//! printed is what the server answered.

mod stage;
mod transcript;

use std::process::ExitCode;

use clap::Args;

use super::Failure;
use stage::Stage;
use transcript as out;

#[derive(Args, Debug)]
pub(super) struct Demo {}

impl Demo {
    pub(super) fn run(self) -> Result<ExitCode, Failure> {
        let Self {} = self;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(tell())?;
        Ok(ExitCode::SUCCESS)
    }
}

const PATCH: &str = r#"kubectl patch deployment python-app-prod -n prod --patch '{"spec":{"replicas": 7}}'"#;
const SCALE: &str = "kubectl scale deployment python-app-prod -n prod --replicas=5";

async fn tell() -> Result<(), Failure> {
    let (mut stage, server) = Stage::set().await?;
    let shows = async {
        out::opening(&stage);

        out::chapter("enforce", "drift is denied");
        out::command(PATCH, &stage.send("patch").await?);
        out::command(SCALE, &stage.send("scale").await?);
        out::command("kubectl delete pod -n prod python-app-prod-7d979486df-92jq6", &stage.send("delete-pod").await?);
        out::event("its ReplicaSet makes a new pod", &stage.send("replicaset").await?);
        out::event("the HorizontalPodAutoscaler scales `web` from 2 to 4", &stage.send("autoscaler").await?);
        out::event("Argo CD syncs `python-app-prod`", &stage.send("argocd").await?);
        out::command(
            r#"kubectl patch deployment python-app-prod -n prod --dry-run=server --patch '{"spec":{"replicas": 9}}'"#,
            &stage.send("dry-run").await?,
        );

        stage.mode("warn")?;
        out::chapter("warn", "drift passes, and whoever makes it is told");
        out::command(PATCH, &stage.send("patch").await?);

        stage.mode("audit")?;
        out::chapter("audit", "drift passes in silence; the API server's audit log keeps this");
        out::command(PATCH, &stage.send("patch").await?);

        stage.mode("enforce")?;
        let commit = stage.commit("replicas: 3", "replicas: 7", "Run seven replicas")?;
        out::chapter("enforce", "and a change goes through Git");
        out::done(r#"git commit -am "Run seven replicas""#, &format!("[main {commit}] Run seven replicas"));
        out::command(PATCH, &stage.send("patch").await?);

        out::counted(&stage.metrics().await?);
        Ok(())
    };
    tokio::select! {
        told = shows => told,
        ended = server => Err(ended.err().map_or_else(|| "the server ended".into(), Failure::from)),
    }
}
