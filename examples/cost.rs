//! What a review costs, by who writes: bytes in, answer out, on recorded reviews.
//!
//!     cargo run --release --example cost
//!
//! Controllers' reviews leave before an object is parsed; a person's are held
//! against Git. The ratio says how much that saves, whatever the machine.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use driftwall_core::actor::Actors;
use driftwall_core::decision::{DecisionContext, decide};
use driftwall_core::desired::{FileContents, Snapshot, Source, SourceContents};
use driftwall_core::policy::{EvaluationContext, NoCluster, Policy, Verdict, evaluate};
use driftwall_core::{admission, manifest};
use serde_json::Value;

type Failure = Box<dyn std::error::Error>;

const ROUNDS: u32 = 20;

fn main() -> Result<(), Failure> {
    let snapshot = snapshot()?;
    let actors = Actors::new(Vec::new(), &["argocd".to_owned(), "flux".to_owned()])?;
    let policy = Policy::default();
    let context = EvaluationContext { snapshot: &snapshot, actors: &actors, policy: &policy, cluster: &NoCluster };

    let mut exempt = Vec::new();
    let mut judged = Vec::new();
    for mut line in lines("actions.jsonl.gz")? {
        let body = line["review"].take().to_string().into_bytes();
        let verdict = evaluate(&admission::decode(&body)?, context).verdict;
        if verdict == Verdict::Exempt { &mut exempt } else { &mut judged }.push(body);
    }
    exempt.extend(lines("traffic.jsonl.gz")?.into_iter().map(|review| review.to_string().into_bytes()));

    let (controllers, people) = (cost(&exempt, context)?, cost(&judged, context)?);
    let kib = |bodies: &[Vec<u8>]| (bodies.iter().map(Vec::len).sum::<usize>() / bodies.len()) >> 10;
    println!("exempt by identity: {controllers:.2?} a review ({} reviews of {} KiB)", exempt.len(), kib(&exempt));
    println!("judged:             {people:.2?} a review ({} reviews of {} KiB)", judged.len(), kib(&judged));
    println!("ratio:              {:.1}", people.as_secs_f64() / controllers.as_secs_f64());
    Ok(())
}

/// The mean time of a review, bytes in, answer out.
fn cost(bodies: &[Vec<u8>], context: EvaluationContext<'_>) -> Result<Duration, Failure> {
    let mut bytes = 0;
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        for body in bodies {
            let write = admission::decode(body)?;
            let assessment = evaluate(&write, context);
            let decision = decide(&write, &assessment, context.policy, DecisionContext::default());
            bytes += admission::encode(&write.uid, &decision.answer).len();
        }
    }
    assert!(bytes > 0, "the answers must not be optimised away");
    Ok(begun.elapsed() / ROUNDS / u32::try_from(bodies.len())?)
}

fn snapshot() -> Result<Snapshot, Failure> {
    let mut files = Vec::new();
    for name in ["app.yaml", "widget.yaml"] {
        let path = Path::new("tests/data/reviews/git/apps/prod").join(name);
        let reading = manifest::parse(name, &std::fs::read(path)?);
        files.push(Arc::new(FileContents::new(&name.into(), Some("prod"), reading.objects)?));
    }
    Ok(Snapshot::new(vec![Arc::new(SourceContents::new(Source::default(), files))])?)
}

fn lines(name: &str) -> Result<Vec<Value>, Failure> {
    let packed = std::fs::read(Path::new("tests/data/reviews").join(name))?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(&*packed).read_to_string(&mut text)?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}
