//! Child processes that end with this one, however it ends; waiting, and figures to print.

use std::fs::File;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Nothing in these tests takes long; what takes this long hangs.
const HANG: Duration = Duration::from_mins(2);

/// Waits until something is found.
pub(crate) fn wait_for<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = find() {
            return found;
        }
        assert!(begun.elapsed() < HANG, "{what}: not within {HANG:?}; the logs are in {}", log_folder().display());
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Prints a figure that every run is to show, also of tests that pass.
pub(crate) fn report(figure: &str) {
    // Of a test that passes, the output of the print macros is not shown.
    let _ = writeln!(std::io::stderr(), "{figure}");
}

/// The folder of the logs, which stay until the next run.
pub(crate) fn log_folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster")
}

pub(crate) struct Process {
    pub(crate) name: String,
    supervisor: Child,
    /// When this end of the pipe closes, the supervisor kills the program: also when the test is killed.
    _stdin: ChildStdin,
}

impl Process {
    /// Starts a program whose state is in `folder`; its output goes to a log of its name. `kubeconfig` is for
    /// programs that read it from the environment.
    pub(crate) fn start(name: &str, folder: &Path, kubeconfig: &Path, program: &Path, arguments: &[String]) -> Self {
        let log = File::create(log_folder().join(format!("{name}.log"))).unwrap();
        let id = log_folder().join(format!("{name}.pid"));
        // A supervisor also removes the folder.
        let supervise = r#"folder=$1 id=$2; shift 2; "$@" </dev/null & child=$!
            echo $child >"$id.new"; mv "$id.new" "$id"
            (while kill -0 $child; do sleep 1; done; kill $$) 2>/dev/null & watch=$!
            trap 'kill -9 $child $watch; wait $child; rm -rf "$folder"; exit' TERM
            while read -r _; do :; done
            kill -9 $child $watch; wait $child; rm -rf "$folder""#;
        let mut supervisor = Command::new("bash")
            .args(["-c", supervise, "supervisor"])
            .arg(folder)
            .arg(&id)
            .arg(program)
            .args(arguments)
            .env("KUBECONFIG", kubeconfig)
            // In a pod, the pod's name.
            .env("HOSTNAME", name)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let stdin = supervisor.stdin.take().unwrap();
        wait_for("the program's id is known", || id.exists().then_some(()));
        Self { name: name.to_owned(), supervisor, _stdin: stdin }
    }

    /// Sends the program a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = std::fs::read_to_string(log_folder().join(format!("{}.pid", self.name))).unwrap();
        let id = Pid::from_raw(id.trim().parse().unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }

    /// Waits until the program has ended.
    pub(crate) fn wait_for_exit(&mut self) {
        wait_for(&format!("{} ends", self.name), || self.supervisor.try_wait().unwrap());
    }

    /// Fails when the program has ended.
    pub(crate) fn assert_running(&mut self) {
        let ended = self.supervisor.try_wait().unwrap();
        assert!(ended.is_none(), "{} ended; its log is in {}", self.name, log_folder().display());
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
