//! Signals, in a process of their own: a listener takes a signal from the whole process, which the other tests share.

use std::process::Command;
use std::time::Duration;

use driftwall::server::shutdown_signals;
use tokio::time::timeout;

#[test]
fn the_first_signal_drains_and_the_second_ends() {
    let test = "server::signals::shutdown_signals_in_a_child_process";
    let run = Command::new(std::env::current_exe().unwrap()).args(["--exact", test, "--ignored"]).output().unwrap();
    let output = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success() && output.contains("1 passed"), "{output}");
}

#[tokio::test]
#[ignore = "run in a child process by the test above"]
async fn shutdown_signals_in_a_child_process() {
    let send = |signal: &str| {
        let me = std::process::id().to_string();
        let sent = Command::new("kill").args([signal, &me]).status();
        assert!(sent.unwrap().success());
    };
    let (first, second) = shutdown_signals().unwrap();
    let (mut first, mut second) = (Box::pin(first), Box::pin(second));
    let short = Duration::from_millis(100);
    assert!(timeout(short, &mut first).await.is_err());

    send("-TERM");
    timeout(Duration::from_mins(1), &mut first).await.unwrap();
    assert!(timeout(short, &mut second).await.is_err());

    send("-INT");
    timeout(Duration::from_mins(1), &mut second).await.unwrap();
}
