//! What a review costs, by kind of writer: bytes in, answer out, on recorded reviews.
//!
//!     cargo run --release --example cost
//!
//! Reviews of exempt controllers are answered before an object is parsed; those of a
//! person are compared with Git. The ratio of the two does not depend on the machine.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use driftwall_core::actor::ActorRules;
use driftwall_core::decision::{DecisionContext, decide};
use driftwall_core::desired::{FileContents, Snapshot, Source, SourceContents};
use driftwall_core::policy::{EvaluationContext, NoCluster, Policy, Verdict, evaluate};
use driftwall_core::{admission, manifest};
use serde_json::Value;

const ROUNDS: u32 = 20;

fn main() -> anyhow::Result<()> {
    let snapshot = snapshot()?;
    let actors = ActorRules::new(Vec::new(), &["argocd".to_owned(), "flux".to_owned()])?;
    let policy = Policy::default();
    let context = EvaluationContext { snapshot: &snapshot, actors: &actors, policy: &policy, cluster: &NoCluster };

    let mut exempt = Vec::new();
    let mut compared = Vec::new();
    for mut line in lines("actions.jsonl.gz")? {
        let body = line["review"].take().to_string().into_bytes();
        let verdict = evaluate(&admission::decode(&body)?, context).verdict;
        if verdict == Verdict::Exempt { &mut exempt } else { &mut compared }.push(body);
    }
    exempt.extend(lines("traffic.jsonl.gz")?.into_iter().map(|review| review.to_string().into_bytes()));

    let (exempt_cost, compared_cost) = (mean_time(&exempt, context)?, mean_time(&compared, context)?);
    let mean_kib = |bodies: &[Vec<u8>]| (bodies.iter().map(Vec::len).sum::<usize>() / bodies.len()) >> 10;
    println!("exempt writers:    {exempt_cost:.2?} a review ({} reviews of {} KiB)", exempt.len(), mean_kib(&exempt));
    println!(
        "compared with Git: {compared_cost:.2?} a review ({} reviews of {} KiB)",
        compared.len(),
        mean_kib(&compared)
    );
    println!("ratio:             {:.1}", compared_cost.as_secs_f64() / exempt_cost.as_secs_f64());
    Ok(())
}

/// The mean time of a review, from its bytes to the answer's.
fn mean_time(bodies: &[Vec<u8>], context: EvaluationContext<'_>) -> anyhow::Result<Duration> {
    let mut answer_bytes = 0;
    let start = Instant::now();
    for _ in 0..ROUNDS {
        for body in bodies {
            let write = admission::decode(body)?;
            let assessment = evaluate(&write, context);
            let decision = decide(&write, &assessment, context.policy, DecisionContext::default());
            answer_bytes += admission::encode(&write.uid, &decision.answer).len();
        }
    }
    assert!(answer_bytes > 0, "the answers must not be optimised away");
    Ok(start.elapsed() / ROUNDS / u32::try_from(bodies.len())?)
}

fn snapshot() -> anyhow::Result<Snapshot> {
    let mut files = Vec::new();
    for name in ["app.yaml", "widget.yaml"] {
        let path = Path::new("tests/data/reviews/git/apps/prod").join(name);
        let reading = manifest::parse(name, &std::fs::read(path)?);
        files.push(Arc::new(FileContents::new(&name.into(), Some("prod"), reading.objects)?));
    }
    Ok(Snapshot::new(vec![Arc::new(SourceContents::new(Source::default(), files))]))
}

fn lines(name: &str) -> anyhow::Result<Vec<Value>> {
    let compressed = std::fs::read(Path::new("tests/data/reviews").join(name))?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*compressed).read_to_string(&mut text)?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}
