//! The commands of `deploy/RUNBOOK.md`, taken from its text and run one after the other as it gives them.

use std::fmt::Write as _;

use serde_json::json;

use crate::cluster::{REGISTER_AGAIN, TestCluster, test_cluster};
use crate::common::programs;
use crate::common::recordings;
use crate::process::{log_folder, report, wait_for};

const RUNBOOK: &str = "deploy/RUNBOOK.md";

/// Programs with which commands begin.
const PROGRAMS: [&str; 5] = ["kubectl", "driftwall", "helm", "argocd", "flux"];

/// A command, and where it stands.
#[derive(Debug)]
struct Command {
    section: String,
    line: usize,
    text: String,
}

/// The commands of a document: of its indented blocks, what a comment there names beside them (`# or: …`), and what
/// stands in backticks in a sentence and says more than the name of a subcommand.
fn commands(text: &str) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let mut section = String::new();
    let (mut in_block, mut after_blank) = (false, true);
    // What ends the command that the last line belongs to, if it goes on, and how far it is indented.
    let mut open: Option<(String, usize)> = None;
    // A sentence may break its line within backticks.
    let mut sentence = String::new();
    for (index, line) in text.lines().enumerate() {
        let content = line.trim();
        let is_code = line.starts_with("    ") && (in_block || after_blank);
        after_blank = content.is_empty();
        if let Some((end, indent)) = open.take() {
            let last = &mut commands.last_mut().unwrap().text;
            write!(last, "\n{}", line.get(indent..).unwrap_or_default()).unwrap();
            let is_over =
                if end.is_empty() { !content.ends_with('\\') } else { content.split(' ').next() == Some(&end) };
            open = (!is_over).then_some((end, indent));
            continue;
        }
        in_block = is_code || (in_block && content.is_empty());
        let mut found = |text: &str| {
            commands.push(Command { section: section.clone(), line: index + 1, text: text.to_owned() });
        };
        if is_code {
            let (code, comment) = content.split_once('#').unwrap_or((content, ""));
            if is_command(code) {
                found(content);
                let heredoc = content.split_once("<<").map(|(_, end)| end.trim().to_owned());
                let end = heredoc.or_else(|| content.starts_with("for ").then(|| "done".to_owned()));
                let end = end.or_else(|| content.ends_with('\\').then(String::new));
                open = end.map(|end| (end, line.len() - line.trim_start().len()));
            }
            comment.trim().strip_prefix("or: ").into_iter().for_each(found);
            continue;
        }
        if content.is_empty() || content.starts_with("- ") || content.starts_with('#') {
            sentence.clear();
        }
        write!(sentence, " {content}").unwrap();
        if sentence.matches('`').count().is_multiple_of(2) {
            let parts = sentence.split('`').skip(1).step_by(2);
            // With an argument: else it is the name of a subcommand.
            parts.filter(|part| is_command(part) && part.contains(['-', '/', '.', '='])).for_each(found);
            sentence.clear();
        }
        if let Some(title) = line.strip_prefix("## ") {
            title.clone_into(&mut section);
        }
    }
    commands
}

fn is_command(text: &str) -> bool {
    text.split_once(' ').is_some_and(|(program, _)| program == "for" || PROGRAMS.contains(&program))
}

/// In the place of what needs a running pod, or the command-line tool of another project, what it comes to:
/// `exec`, `logs` and `port-forward` find their Deployment and pods and go on here; `argocd app set` has
/// argocd-server write the Application, `flux suspend` and `resume` patch `spec.suspend` as whoever runs it.
const STAND_INS: &str = r#"
unset -f argocd flux
kubectl() {
    local all="$*"
    case "$1" in
        exec)
            [ "$2" != -i ] || set -- exec "${@:3}"
            [ "$2 $3 $5 $6" = "-n driftwall -- driftwall" ] || return 9
            command kubectl get "$4" -n driftwall >/dev/null && driftwall "${@:7}" ;;
        logs)
            [ "$2 $3 $4" = "-n driftwall -l" ] || return 9
            command kubectl get pods -n driftwall -l "$5" -o name | grep -q . && cat "$LOGS"/driftwall-*.log ;;
        port-forward)
            [ "$2 $3" = "-n driftwall" ] || return 9
            command kubectl get "$4" -n driftwall -o jsonpath='{..containerPort}' | grep -qw "$5" ;;
        delete)
            if [ -n "$DRY_RUN" ]; then command kubectl "$@" --dry-run=server; else command kubectl "$@"; fi ;;
        *) command kubectl "$@" ;;
    esac
}
driftwall() {
    case "$1" in
        sources | suggest) if [[ "$*" = *--config* || "$*" = *--seen* ]]; then "$DRIFTWALL" "$@"; else "$DRIFTWALL" "$@" --admin "$ADMIN"; fi ;;
        *) "$DRIFTWALL" "$@" ;;
    esac
}
helm() {
    case "$1" in
        # There is no release: with the same values the chart is rendered.
        upgrade) [ "$2 $3" = "driftwall deploy/chart" ] && "$HELM" template driftwall "$DEPLOY/chart" "${@:4}" ;;
        *) "$HELM" "$@" ;;
    esac
}
argocd() {
    local automated
    case "$1 $2 $4 ${*:5}" in
        "app set --sync-policy none") automated=null ;;
        "app set --sync-policy automated --auto-prune --self-heal") automated='{"prune":true,"selfHeal":true}' ;;
        *) return 9 ;;
    esac
    as argocd argocd-server patch application "$3" -n argocd --type=merge \
        -p "{\"spec\":{\"syncPolicy\":{\"automated\":$automated}}}"
}
flux() {
    [ "$2 $4" = "kustomization -n" ] || return 9
    case "$1" in
        suspend) command kubectl patch kustomization "$3" -n "$5" --type=merge -p '{"spec":{"suspend":true}}' ;;
        resume) command kubectl patch kustomization "$3" -n "$5" --type=merge -p '{"spec":{"suspend":false}}' ;;
        *) return 9 ;;
    esac
}
"#;

/// A command that needs something that may not be there.
struct NeedsMore {
    begin: &'static str,
    /// How the document says so.
    mark: &'static str,
    /// Succeeds where it is there.
    probe: &'static str,
    /// The error that shows what is missing.
    error: &'static str,
}

const NEEDS_MORE: [NeedsMore; 3] = [
    NeedsMore {
        begin: "driftwall break-glass -n prod 'deployment/web-*' --reason",
        mark: "before 1.28 do not say who that is",
        probe: "kubectl auth whoami",
        error: "failed to ask the API server who you are",
    },
    NeedsMore {
        begin: "kubectl describe certificate ",
        mark: "cert-manager, see `kubectl describe certificate",
        probe: "kubectl get certificates -A",
        error: "the server doesn't have a resource type",
    },
    NeedsMore {
        begin: "helm uninstall ",
        mark: "or: helm uninstall",
        probe: "helm status driftwall -n driftwall",
        error: "release: not found",
    },
];

/// What the document leaves to the reader, and what it is here.
const PLACEHOLDERS: [(&str, &str); 3] = [
    (" APP ", " shop "),
    (" NAME -n NAMESPACE", " team-a -n team-a"),
    ("--config driftwall.yaml FILES", "--config new.yaml review.json"),
];

/// Argo CD's and Flux's kinds, and an object of each that Git declares.
fn declare_applications(cluster: &TestCluster) {
    let text = std::fs::read_to_string("tests/data/gitops/objects.yaml").unwrap();
    let is_declared =
        |object: &&str| object.contains("\nkind: Application\n") || object.contains("\nkind: Kustomization\n");
    let declared: Vec<_> =
        text.split("\n---\n").filter(is_declared).map(|object| object.split("\nstatus:").next().unwrap()).collect();
    let declared = declared.join("\n---\n");
    assert_eq!(declared.matches("apiVersion").count(), 2, "{declared}");
    std::fs::write(cluster.path("git/apps/prod/applications.yaml"), declared).unwrap();
    std::fs::copy("tests/data/gitops/definitions.yaml", cluster.path("definitions.yaml")).unwrap();
    cluster.control_plane.admin(
        "kubectl apply -f definitions.yaml
        for kind in applications kustomizations; do
            until kubectl get $kind -A >/dev/null 2>&1; do sleep 0.2; done
        done
        for namespace in argocd team-a; do kubectl get ns $namespace || kubectl create namespace $namespace; done",
    );
    cluster.git_commit();
    cluster
        .alice("argocd apply --server-side --field-manager=argocd-controller -f git/apps/prod/applications.yaml")
        .expect_success();
    for object in ["application/shop -n argocd", "kustomization/team-a -n team-a"] {
        let script = format!(
            "kubectl patch {object} --dry-run=server --type=merge -p '{{\"spec\":{{\"prune\":false,\"project\":\"other\"}}}}' 2>&1"
        );
        cluster.wait_for("it is protected", &script, |out| out.contains("Git says"));
    }
}

/// The files that the document's commands read.
fn write_files(cluster: &TestCluster) {
    let write = |name: &str, text: &str| std::fs::write(cluster.path(name), text).unwrap();
    // The kustomization of an adopter, as this server knows its kinds.
    std::fs::create_dir_all(cluster.path("my-driftwall")).unwrap();
    std::fs::copy(cluster.path("deploy.json"), cluster.path("my-driftwall/deploy.json")).unwrap();
    write("my-driftwall/kustomization.yaml", "resources: [deploy.json]\n");
    write("my-values.yaml", "sources: [{name: gitops, repo: https://example.org/gitops.git}]\n");
    let config = json!({"sources": [{"name": "prod", "repo": "git", "revision": "main", "path": "apps/prod", "namespace": "prod"}]});
    write("new.yaml", &config.to_string());
    let mut actions = recordings::lines("actions.jsonl.gz").into_iter();
    let allowed = actions.find(|action| action["actor"] == "person" && action["expect"] == "allow");
    write("review.json", &allowed.expect("a person's write is allowed")["review"].to_string());
}

#[test]
fn every_command_of_the_runbook_works() {
    let Some(cluster) = test_cluster() else { return };
    let Some(helm) = programs::find("helm") else { return };
    cluster.alice("kubectl apply --validate=false -f \"$DEPLOY/03-breakglass.yaml\"").expect_success();
    declare_applications(&cluster);
    write_files(&cluster);
    // What "A controller is denied" looks for.
    let denied = cluster.alice("as ci deployer annotate deployment python-app-prod -n prod owner=pipeline --overwrite");
    assert_eq!(denied.answer(), "deny", "{denied:?}");
    let text = std::fs::read_to_string(RUNBOOK).unwrap();
    let admin = cluster.replicas.admin_addresses()[0];
    let logs = log_folder();
    let environment = format!("LOGS={} ADMIN={admin} HELM={}\n{STAND_INS}", logs.display(), helm.display());
    let mut wrong = Vec::new();
    let commands = commands(&text);
    assert!(commands.len() > 35, "{commands:#?}");
    for Command { section, line, text: command } in &commands {
        let mut script = command.clone();
        for (placeholder, here) in PLACEHOLDERS {
            script = script.replace(placeholder, here);
        }
        // The cluster is needed further on.
        let is_kept = section == "Uninstall";
        let dry_run = if is_kept { "DRY_RUN=1\n" } else { "" };
        let result = cluster.alice(&format!("{environment}{dry_run}{script}"));
        let needs_more = NEEDS_MORE.iter().find(|more| command.starts_with(more.begin));
        let missing = needs_more.filter(|more| !cluster.alice(&format!("{environment}{}", more.probe)).succeeded);
        let is_right = match missing {
            None => result.succeeded,
            Some(NeedsMore { mark, error, .. }) => {
                text.contains(mark) && !result.succeeded && result.stderr.contains(error)
            }
        };
        if !is_right {
            let failure = format!("{RUNBOOK}:{line}: {script}\n{}{}", result.stdout, result.stderr);
            report(&failure);
            wrong.push(failure);
        }
        if !is_kept {
            settle(&cluster, command);
        }
        if section == "Upgrade" && command.starts_with("kubectl delete validatingwebhookconfiguration") {
            // What the chart creates then, driftwall itself does here.
            cluster.alice(REGISTER_AGAIN).expect_success();
            settle(&cluster, REGISTER_AGAIN);
        }
    }
    cluster
        .alice(
            "kubectl delete rolebinding break-glass -n prod &&
            kubectl delete secret -n driftwall driftwall-renderer driftwall-renderer-client &&
            unreviewed delete -f git/apps/prod/applications.yaml &&
            unreviewed delete -f definitions.yaml",
        )
        .expect_success();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Waits until what a command has begun is done.
fn settle(cluster: &TestCluster, command: &str) {
    let have = |series: &str| cluster.replicas.all_have(series, "1").then_some(());
    if command.starts_with("kubectl delete validatingwebhookconfiguration") {
        wait_for("driftwall notices it", || have("driftwall_registration{state=\"absent\"}"));
    } else if command.starts_with("kubectl annotate lease") {
        wait_for("it is registered again", || have("driftwall_registration{state=\"in_sync\"}"));
    } else if command.starts_with("kubectl delete secret driftwall-certificates") {
        wait_for("the new CA is trusted", || have("driftwall_certificate_trusted "));
    }
}

#[test]
fn commands_are_found_in_blocks_and_in_sentences() {
    let text = "## Some\n\nA `kubectl get a -B` and `helm x`, with `kubectl get\nb -A` too.\n\n    kubectl x   # or: helm y -n z\n    mode: y\n\n\
        - item:\n\n      flux z \\\n        --more\n      kubectl create -f - <<END\n      a:\n        b: c\n\n      END\n      for a in b; do\n        c\n      done | d\n  `helm c -d` is one.\n";
    let found: Vec<_> = commands(text).into_iter().map(|command| (command.line, command.text)).collect();
    let expected = [
        (4, "kubectl get a -B"),
        (4, "kubectl get b -A"),
        (6, "kubectl x   # or: helm y -n z"),
        (6, "helm y -n z"),
        (11, "flux z \\\n  --more"),
        (13, "kubectl create -f - <<END\na:\n  b: c\n\nEND"),
        (18, "for a in b; do\n  c\ndone | d"),
        (21, "helm c -d"),
    ];
    assert_eq!(found, expected.map(|(line, text)| (line, text.to_owned())));
}
