//! Signals, in a process of their own: whoever listens for one takes it from all.

use std::process::Command;
use std::time::Duration;

use driftwall::server::signals;
use tokio::time::timeout;

#[tokio::test]
async fn the_first_signal_drains_and_the_second_ends() {
    let send = |signal: &str| {
        let me = std::process::id().to_string();
        let sent = Command::new("kill").args([signal, &me]).status();
        assert!(sent.unwrap().success());
    };
    let (first, second) = signals().unwrap();
    let (mut first, mut second) = (Box::pin(first), Box::pin(second));
    let short = Duration::from_millis(100);
    assert!(timeout(short, &mut first).await.is_err());

    send("-TERM");
    timeout(Duration::from_mins(1), &mut first).await.unwrap();
    assert!(timeout(short, &mut second).await.is_err());

    send("-INT");
    timeout(Duration::from_mins(1), &mut second).await.unwrap();
}
