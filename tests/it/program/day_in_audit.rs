//! From audit to enforce by data: a day of recorded reviews in audit mode, then what `suggest` prints pasted into the
//! configuration as it is, and the same day again. Machines' recurring writes pass then, and no person's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::GzDecoder;
use serde_json::Value;

use crate::common::{git, recordings};
use crate::program::serve_process::PROD_SOURCE;

/// A folder with a repository, and reviews of what was written to the cluster.
struct Day {
    folder: tempfile::TempDir,
    reviews: Vec<Value>,
}

/// A write that drifts: the user, and whether it is a person or writes for one; what it does to what.
type Drift = (String, bool, String);

impl Day {
    fn new(reviews: Vec<Value>, cluster: &[Value]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lines = |values: &[Value]| values.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
        std::fs::write(folder.path().join("reviews"), lines(&reviews)).unwrap();
        std::fs::write(folder.path().join("objects"), lines(cluster)).unwrap();
        Self { folder, reviews }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, command: &str, more: &[&str], config: &str) -> String {
        std::fs::write(self.at("driftwall.yaml"), config).unwrap();
        let run = Command::new(env!("CARGO_BIN_EXE_driftwall"))
            .arg(command)
            .args(more)
            .arg("--config")
            .arg(self.at("driftwall.yaml"))
            .arg("--objects")
            .arg(self.at("objects"))
            .arg(self.at("reviews"))
            .output()
            .unwrap();
        let (printed, said) = (run.stdout, String::from_utf8_lossy(&run.stderr).into_owned());
        assert!(!printed.is_empty(), "{said}\n{config}");
        String::from_utf8(printed).unwrap()
    }

    /// The writes that drift, by their place in the day.
    fn drift(&self, config: &str) -> BTreeMap<usize, Drift> {
        let printed = self.run("check", &["-o", "json"], config);
        let mut drift = BTreeMap::new();
        for (place, (line, review)) in printed.lines().zip(&self.reviews).enumerate() {
            let line: Value = serde_json::from_str(line).unwrap();
            let request = &review["request"];
            assert_eq!(line["uid"], request["uid"]);
            if line["verdict"] == "drift" && request["dryRun"] != true {
                let user = request["userInfo"]["username"].as_str().unwrap().to_owned();
                let is_of_people = line["actor"] == "person" || user.ends_with(":argocd-server");
                let what = format!("{} {} {}", request["operation"], request["kind"]["kind"], line["fields"]);
                drift.insert(place, (user, is_of_people, what));
            }
        }
        drift
    }

    /// Plays the day, pastes what is suggested for drift seen `at_least` so often, and plays it again: no machine
    /// drifts any more, and every person does who did. How often machines and people drifted, and the suggestion.
    fn play(&self, config: &str, at_least: &str) -> (usize, usize, String) {
        let before = self.drift(config);
        let suggested = self.run("suggest", &["--at-least", at_least], &format!("mode: audit\n{config}"));
        let after = self.drift(&format!("{config}{suggested}"));
        let (mut machines, mut people) = (0, 0);
        for (place, (user, is_of_people, what)) in &before {
            *if *is_of_people { &mut people } else { &mut machines } += 1;
            let still = after.contains_key(place);
            assert_eq!(still, *is_of_people, "{user}: {what}\n{suggested}");
        }
        let new: Vec<_> = after.values().filter(|(_, is_of_people, _)| !is_of_people).collect();
        assert!(new.is_empty(), "{new:?}");
        (machines, people, suggested)
    }
}

#[test]
fn a_day_of_the_recorded_cluster() {
    let reviews: Vec<Value> =
        recordings::lines("actions.jsonl.gz").into_iter().map(|mut line| line["review"].take()).collect();
    // Played twice: what recurs has happened before.
    let day = Day::new([reviews.clone(), reviews].concat(), &recordings::lines("objects.jsonl.gz"));
    git::commit_folder(&day.at("repo"), &Path::new(recordings::FOLDER).join("git"));
    let (machines, people, suggested) = day.play(PROD_SOURCE, "2");
    assert!(machines >= 2 && people > 100, "{machines} {people}");
    let words = "UPDATE of Deployment.apps spec.template.spec.containers[name=\"web\"].image: 2 times";
    assert!(suggested.contains(&format!("# system:serviceaccount:ci:deployer (workload): {words}")), "{suggested}");
    assert!(suggested.contains("# This account writes for whoever clicks"), "{suggested}");
}

/// The reviews of a tool's cluster, where `DRIFTWALL_GITOPS_RECORDINGS` names a folder with them, and its repository
/// with plain sources, as YAML.
fn recorded(tool: &str, content: &str, sources: &[(&str, &str)]) -> Option<(Day, String)> {
    let folder = PathBuf::from(std::env::var_os("DRIFTWALL_GITOPS_RECORDINGS")?).join(tool);
    let file = std::fs::File::open(folder.join("reviews.jsonl.gz")).unwrap();
    let text = std::io::read_to_string(GzDecoder::new(file)).unwrap();
    let reviews = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["review"].take()).collect();
    let day = Day::new(reviews, &[]);
    git::commit_folder(&day.at("repo"), &folder.join("git").join(content));
    let source = |(path, namespace): &(&str, &str)| {
        let name = format!("{}-{namespace}", path.replace('/', "-"));
        format!(
            "  - {{name: {name}, repo: repo, revision: main, path: {path}, namespace: {namespace}, render: plain, \
             exclude: [\"**/kustomization.yaml\"]}}\n"
        )
    };
    let sources: Vec<_> = sources.iter().map(source).collect();
    Some((day, format!("cluster: off\nsources:\n{}", sources.concat())))
}

/// An installation that names no preset yet: the tool itself is what drifts most.
#[test]
fn a_day_of_a_real_argo_cd_and_of_a_real_flux_without_their_presets() {
    let argocd = [
        ("apps", "argocd"),
        ("tenants/red", "dir-red"),
        ("tenants/green", "dir-green"),
        ("plain/shop", "shop"),
        ("options", "options"),
        ("ssa", "ssa"),
        ("ssa", "ssdiff"),
        ("ssa", "noheal"),
        ("ignore", "ignore"),
        ("plain/widgets", "apps"),
        ("hooks", "hooks"),
    ];
    let flux = [
        ("apps/plain", "apps"),
        ("apps/policies", "apps"),
        ("apps/forced", "apps"),
        ("apps/ignored", "apps"),
        ("apps/suspended", "apps"),
        ("infra/crds", "infra"),
        ("infra/instances", "infra"),
        ("tenants/team-a", "team-a"),
    ];
    for (tool, content, sources) in [("argocd", "gitops", &argocd[..]), ("flux", "objects", &flux)] {
        let Some((day, config)) = recorded(tool, content, sources) else { return };
        let (machines, people, suggested) = day.play(&config, "1");
        println!("{tool}: {} reviews, drift of machines {machines}, of people {people}", day.reviews.len());
        println!("{}", suggested.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n"));
        assert!(suggested.contains(&format!("presets: [{tool}]")), "{suggested}");
    }
}
